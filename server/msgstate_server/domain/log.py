"""The log: the append-only sequence of accepted events, and what each of them did to its recipient's state."""

from enum import IntEnum
from hashlib import blake2b

import msgspec

from msgstate_server.domain.events import Event
from msgstate_server.domain.lifecycle import evidence_of
from msgstate_server.domain.states import Evidence


class Effect(IntEnum):
    """How an event's evidence compares with what was known; the numbers are those of `msgstate.v1.Effect`."""

    UNSPECIFIED = 0
    MOVED = 1
    CONFIRMED = 2
    WEAKER = 3


class LogEntry(msgspec.Struct, array_like=True, gc=False):
    """One accepted event at its place in the log; `version` is the recipient's after the event.

    `message_refs` and `metadata` are those of the recipient's status: at the commit, or at the time of reading if the
    entry comes from the store.
    """

    position: int
    event: Event
    key: str
    before: Evidence
    after: Evidence
    version: int
    commit_time: int
    message_refs: list[str] = []
    metadata: dict[str, str] = {}

    @property
    def moved(self) -> bool:
        """Whether the event is a transition."""
        return self.before is not self.after

    @property
    def effect(self) -> Effect:
        """MOVED, CONFIRMED or WEAKER."""
        if self.moved:
            return Effect.MOVED
        event = self.event
        own = evidence_of(event.type, event.attributes.automated)
        return Effect.CONFIRMED if own is self.after else Effect.WEAKER

    @property
    def fingerprint(self) -> bytes:
        """8 bytes that tell this row from any other that could stand at its position."""
        kept = self.event.attributes.kept_fingerprint
        if kept:
            return bytes.fromhex(kept)
        return fingerprint(self.position, self.key, self.commit_time, self.after, self.version)


EMPTY_FINGERPRINT = bytes(8)
"""The fingerprint of position 0, where no row stands."""


def fingerprint(position: int, key: str, commit_time: int, after: Evidence, version: int) -> bytes:
    """8 bytes of what is unique about a row: the same in every engine, since only the row's own values are in it."""
    row = f"{position}/{key}/{commit_time}/{int(after)}/{version}"
    return blake2b(row.encode(), digest_size=8).digest()


class Head(msgspec.Struct, frozen=True):
    """Where the log stands: its last position, that row's commit time and fingerprint, and how far it was cut.

    Rows up to `floor` may be gone; `floor_fingerprint` and `floor_time` are the fingerprint and the commit time of the
    row which stood there. `log_id` names the log.
    """

    log_id: bytes
    position: int
    commit_time: int
    fingerprint: bytes
    floor: int
    floor_fingerprint: bytes
    floor_time: int = 0
