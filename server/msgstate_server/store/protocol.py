"""The seam between msgstate and a database: batches in, batches out, and no SQL in any signature.

It exists so that the layers above cannot tell which engine runs, and so that one contract suite can hold every engine
to the same promises. Errors: `StoreUnavailable` where the database cannot be reached or refuses to write.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import msgspec

from msgstate_server.domain.decision import Outcome, Payload, Problem, StoredStatus, Submission
from msgstate_server.domain.identity import Identity
from msgstate_server.domain.log import Head, LogEntry
from msgstate_server.domain.states import Evidence
from msgstate_server.domain.status import RecipientStatus


class MessageKey(msgspec.Struct, array_like=True, frozen=True):
    """What names a message: who sends it, and that provider's id of it."""

    provider: str
    message_id: str


class Quarantined(msgspec.Struct):
    """A webhook's body that could not be understood, or not in all its parts."""

    id: int
    payload: Payload
    problems: list[Problem]


class Store(Protocol):
    """The log, the recipients' statuses, kept bodies and quarantine of one msgstate."""

    @property
    def head(self) -> Head:
        """Where the log stood when the store last looked: never ahead of what is committed."""
        ...

    async def wait_for_head(self, beyond: int) -> Head:
        """The head as soon as its position is larger than `beyond`."""
        ...

    async def append(self, submissions: Sequence[Submission]) -> list[list[Outcome]]:
        """Commit what is new in one transaction; when it returns, all of it is durable.

        Gives the outcome of every candidate, per submission, in order. Nothing is written where it raises.
        """
        ...

    async def read_recipients(
        self, message_id: str, provider: str, recipient: str, limit: int
    ) -> list[RecipientStatus]:
        """Up to `limit` recipients of the messages with exactly this id, by first appearance.

        An empty `provider` or `recipient` means any.
        """
        ...

    async def find_messages(self, message_id: str, provider: str, limit: int) -> list[MessageKey]:
        """Up to `limit` messages with exactly this id; an empty `provider` means any."""
        ...

    async def find_by_alias(self, alias: str, provider: str, limit: int) -> list[MessageKey]:
        """Up to `limit` messages of which a recipient is known by this alias; an empty `provider` means any."""
        ...

    async def count_recipients(self, message: MessageKey) -> dict[Evidence, int]:
        """How many recipients of a message have each evidence."""
        ...

    async def read_log(self, after: int, limit: int) -> list[LogEntry]:
        """Up to `limit` entries with positions larger than `after`, in order."""
        ...

    async def last_position_before(self, commit_time: int) -> int:
        """The largest retained position committed before this time, in microseconds; the floor where there is none."""
        ...

    async def read_payload(self, position: int) -> Payload | None:
        """The raw body that brought the event at this position, if one is kept."""
        ...

    async def read_quarantine(self, after: int, limit: int) -> list[Quarantined]:
        """Up to `limit` quarantined bodies with ids larger than `after`, in order."""
        ...

    async def close(self) -> None:
        """Finish what runs and let go of the database."""
        ...


class RecipientRecord(msgspec.Struct, array_like=True):
    """A recipient's stored status, its log rows that remain in order of position, and how look-ups find it.

    `unfindable` has those of its aliases by which they do not.
    """

    stored: StoredStatus
    entries: list[LogEntry]
    identity: Identity
    unfindable: list[str]


class Unreadable(msgspec.Struct):
    """A recipient of whom a row holds what no msgstate writes: where it is, what is wrong, how many log rows it has."""

    status_id: int
    where: str
    reason: str
    entries: int


class Audit(Protocol):
    """One consistent view of a whole store, for `check`: nothing written meanwhile shows in it."""

    head: Head

    def recipients(self) -> AsyncIterator[RecipientRecord | Unreadable]:
        """Every recipient, with its log rows."""
        ...

    def log(self) -> AsyncIterator[tuple[int, int]]:
        """Every retained `(position, commit time)` of the log, in order of position."""
        ...


class Auditable(Protocol):
    """A store that can be checked while a server runs on it."""

    def audit(self) -> AbstractAsyncContextManager[Audit]:
        """Open a consistent view."""
        ...
