"""What a batch of events does to the recipients it names: decided from values alone, by every store alike."""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import NamedTuple

import msgspec

from msgstate_server.domain.events import Event
from msgstate_server.domain.identity import Identity, event_key
from msgstate_server.domain.log import LogEntry
from msgstate_server.domain.status import RecipientStatus


class Disposition(IntEnum):
    """What became of a published event; the numbers are those of `msgstate.v1.Disposition`."""

    UNSPECIFIED = 0
    ACCEPTED = 1
    DUPLICATE = 2
    REFUSED = 3


class Outcome(NamedTuple):
    """What became of one event; `position` is that of the event which stands in the log."""

    disposition: Disposition
    position: int


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """An event that broke no rule, with its identity and key worked out."""

    event: Event
    identity: Identity
    key: str


def candidate(event: Event) -> Candidate:
    """The event with the identity and the key that decide whether it is new."""
    return Candidate(event, Identity(event.provider, event.message_id, event.recipient), event_key(event))


class Payload(msgspec.Struct):
    """The raw body of one webhook request; `account` is empty where the URL named none."""

    provider: str
    account: str
    received_time: int
    body: bytes


class Problem(msgspec.Struct, array_like=True):
    """One part of a body that could not be understood: a JSON pointer (empty for the whole), and why."""

    pointer: str
    reason: str


class Submission(msgspec.Struct):
    """What one request brings: committed together, and answered when it is durable.

    The payload is kept if any of the events is new. `problems` put the payload in quarantine. `quarantined` is
    the id of a payload that comes from there: `problems`, or none, then replace what was not understood of it; where it
    was discarded meanwhile it stays gone.
    """

    candidates: Sequence[Candidate]
    payload: Payload | None = None
    problems: Sequence[Problem] = ()
    quarantined: int = 0


class Intake(NamedTuple):
    """What one webhook brings, and how many of its parts are acknowledged without being tracked.

    `pointers` has for each candidate a JSON pointer to the part of the body that it stands in.
    """

    submission: Submission
    pointers: list[str]
    ignored: int


class StoredStatus(msgspec.Struct, array_like=True, gc=False):
    """A recipient's status with the number that the store knows it by."""

    id: int
    status: RecipientStatus

    @property
    def identity(self) -> Identity:
        """What names the recipient."""
        return Identity(self.status.provider, self.status.message_id, self.status.recipient)


class Appended(msgspec.Struct, frozen=True, gc=False):
    """A new row of the log, with the store's number of its recipient and the index of the submission it came in."""

    status_id: int
    entry: LogEntry
    submission: int


class Decision(NamedTuple):
    """What a store has to write, and what it answers: outcomes per submission, in order."""

    outcomes: list[list[Outcome]]
    appended: list[Appended]
    changed: dict[Identity, StoredStatus]
    aliases: list[tuple[int, str]]
    """New aliases, each with the number of the recipient it points at."""
    refs: list[tuple[int, str]]
    """New message refs, likewise."""

    def payloads(self, submissions: Sequence[Submission]) -> dict[int, Payload]:
        """The bodies that brought a new event, by the index of their submission."""
        return {
            appended.submission: payload
            for appended in self.appended
            if (payload := submissions[appended.submission].payload) is not None
        }


def decide(
    submissions: Sequence[Submission],
    statuses: Mapping[Identity, StoredStatus],
    known: Mapping[tuple[int, str], int],
    position: int,
    commit_time: int,
) -> Decision:
    """Fold a batch into its recipients' statuses, which are changed in place.

    `statuses` holds every recipient of the batch, new ones included. `known` maps `(status id, event key)` to the
    position of each event of the batch that is already in the log. `position` is the log's last.
    """
    seen = dict(known)
    decision = Decision([], [], {}, [], [])
    _, appended, changed, new_aliases, new_refs = decision
    for index, submission in enumerate(submissions):
        outcomes: list[Outcome] = []
        for candidate in submission.candidates:
            event, key = candidate.event, candidate.key
            stored = statuses[candidate.identity]
            status_id, status = stored.id, stored.status
            existing = seen.get((status_id, key))
            if existing is not None:
                outcomes.append(Outcome(Disposition.DUPLICATE, existing))
                continue
            position += 1
            seen[status_id, key] = position
            changed[candidate.identity] = stored
            before, aliases, refs = status.evidence, status.aliases, status.message_refs
            status.apply(event, key, position, commit_time)
            if status.aliases is not aliases:
                new_aliases.extend((status_id, alias) for alias in status.aliases if alias not in aliases)
            if status.message_refs is not refs:
                new_refs.extend((status_id, ref) for ref in status.message_refs if ref not in refs)
            entry = LogEntry(
                position,
                event,
                key,
                before,
                status.evidence,
                status.version,
                commit_time,
                status.message_refs,
                status.metadata,
            )
            appended.append(Appended(status_id, entry, index))
            outcomes.append(Outcome(Disposition.ACCEPTED, position))
        decision.outcomes.append(outcomes)
    return decision
