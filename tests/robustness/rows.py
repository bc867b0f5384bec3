"""An event of the log as anyone may tell of it: the file, a watch of events, a watch of transitions.

All three are brought into this one form, so that they can be compared. Times are microseconds since 1970.
"""

import struct
from collections.abc import Iterable
from hashlib import blake2b
from typing import Final, NamedTuple

from google.protobuf.timestamp_pb2 import Timestamp

from msgstate.v1 import event_pb2, log_pb2
from msgstate_server.domain.log import LogEntry
from msgstate_server.domain.opaque_token import unseal

TOKEN: Final = struct.Struct(">B16sq8s")
"""How a token is laid out: a version, the log, the position and the fingerprint of its row."""


class Name(NamedTuple):
    """Whose state machine it is."""

    provider: str
    message_id: str
    recipient: str


class Row(NamedTuple):
    """An event and what it did; `mark` is what its sender named it by, unlike any other."""

    position: int
    name: Name
    type: int
    mark: str
    from_state: int
    to_state: int
    version: int
    moved: bool
    commit_time: int


class Place(NamedTuple):
    """What a resume token says; it is read here anew, since the code that makes tokens is judged too."""

    log_id: bytes
    position: int
    fingerprint: bytes


class Wanted(NamedTuple):
    """A watch's filter. An empty set asks for nothing; `since` is a commit time."""

    transitions: bool = False
    providers: frozenset[str] = frozenset()
    message_ids: frozenset[str] = frozenset()
    recipients: frozenset[str] = frozenset()
    to_states: frozenset[int] = frozenset()
    types: frozenset[int] = frozenset()
    shard_index: int = 0
    shard_count: int = 1
    since: int = 0

    def matches(self, row: Row) -> bool:
        """Whether the contract gives this event to such a watch."""
        name = row.name
        return (
            (row.moved or not self.transitions)
            and (not self.providers or name.provider in self.providers)
            and (not self.message_ids or name.message_id in self.message_ids)
            and (not self.recipients or name.recipient in self.recipients)
            and (not self.to_states or row.to_state in self.to_states)
            and (not self.types or row.type in self.types)
            and row.commit_time >= self.since
            and (self.shard_count == 1 or shard(name, self.shard_count) == self.shard_index)
        )


def shard(name: Name, count: int) -> int:
    """A message's share, from the words of the contract."""
    digest = blake2b(name.provider.encode() + b"\0" + name.message_id.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % count


def place(token: str) -> Place:
    """What a token says; raises `ValueError` where it is none."""
    data = unseal(token)
    if data is None or len(data) != TOKEN.size:
        raise ValueError(f"not a token: {token!r}")
    _, *fields = TOKEN.unpack(data)
    return Place(*fields)


def microseconds(time: Timestamp) -> int:
    """A time of the contract."""
    return time.seconds * 1_000_000 + time.nanos // 1_000


def rows_of_entries(entries: Iterable[log_pb2.LogEntry]) -> tuple[Row, ...]:
    """What a watch of events tells of."""
    return tuple(
        Row(
            entry.position,
            Name(entry.event.provider, entry.event.message_id, entry.event.recipient),
            entry.event.type,
            mark_of(entry.event),
            entry.from_state,
            entry.to_state,
            entry.version,
            entry.effect == log_pb2.EFFECT_MOVED,
            microseconds(entry.commit_time),
        )
        for entry in entries
    )


def rows_of_transitions(transitions: Iterable[log_pb2.Transition]) -> tuple[Row, ...]:
    """What a watch of transitions tells of."""
    return tuple(
        Row(
            transition.position,
            Name(transition.provider, transition.message_id, transition.recipient),
            transition.event.type,
            mark_of(transition.event),
            transition.from_state,
            transition.to_state,
            transition.version,
            moved=True,
            commit_time=microseconds(transition.commit_time),
        )
        for transition in transitions
    )


def row_of(entry: LogEntry) -> Row:
    """What the file tells of."""
    event = entry.event
    return Row(
        entry.position,
        Name(event.provider, event.message_id, event.recipient),
        int(event.type),
        event.attributes.event_id or event.attributes.detail,
        int(entry.before.state),
        int(entry.after.state),
        entry.version,
        entry.moved,
        entry.commit_time,
    )


def mark_of(event: event_pb2.Event) -> str:
    """What the sender named the event by: a webhook of CloudMailin has no id, so it stands in the details."""
    return event.event_id or event.detail
