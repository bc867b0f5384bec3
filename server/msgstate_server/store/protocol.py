"""The seam between msgstate and a database: batches in, batches out, and no SQL in any signature.

It exists so that the layers above cannot tell which engine runs, and so that one contract suite can hold every engine
to the same promises. Errors: `StoreUnavailable` where the database cannot be reached or refuses to write.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

import msgspec

from msgstate_server.domain.decision import Candidate, Outcome, Payload, Problem, StoredStatus, Submission
from msgstate_server.domain.log import Head, LogEntry
from msgstate_server.domain.states import Evidence, State
from msgstate_server.domain.status import RecipientStatus
from msgstate_server.store.hashing import Hashes, IdentityHashes


class MessageKey(msgspec.Struct, array_like=True, frozen=True):
    """What names a message: who sends it, and that provider's id of it."""

    provider: str
    message_id: str


class RefKey(NamedTuple):
    """What names messages by the sender's own id; an empty provider means any."""

    provider: str
    message_ref: str


class StatusFilter(NamedTuple):
    """Which recipients to list: what is set must all match, and of a set any value may.

    `message_id`, `recipient` and `message_ref` are exact; all times are commit times in microseconds since 1970.
    `metadata` holds pairs that a status must all have. A store does not know `message_ref`: see `Store.read_ref`.
    """

    states: frozenset[State] = frozenset()
    providers: frozenset[str] = frozenset()
    message_id: str = ""
    recipient: str = ""
    updated_after: int | None = None
    updated_before: int | None = None
    message_ref: str = ""
    created_after: int | None = None
    created_before: int | None = None
    state_changed_before: int | None = None
    metadata: frozenset[tuple[str, str]] = frozenset()


class StatusPage(NamedTuple):
    """Part of a list; `next` is what to go on before, None at the list's end."""

    statuses: list[StoredStatus]
    next: int | None


class Quarantined(msgspec.Struct):
    """A webhook that could not be understood, or not in all its parts; `body_size` is in bytes.

    `problems` are those of the last webhook or replay that had any: none once a replay understood all of it. To be sent
    again and understood clears nothing.
    """

    id: int
    provider: str
    account: str
    received_time: int
    problems: list[Problem]
    body_size: int


class QuarantinePage(NamedTuple):
    """Part of the quarantine; `next` is what to go on before, None at its end."""

    payloads: list[Quarantined]
    next: int | None


class Step(NamedTuple):
    """What one step of retention did: `next` is what to go on after, None at the end; `deleted` counts rows."""

    next: int | None
    deleted: int


class Store(Protocol):
    """The log, the recipients' statuses, kept bodies and quarantine of one msgstate."""

    @property
    def head(self) -> Head:
        """Where the log stood when the store last looked: never ahead of what is committed."""
        ...

    async def read_head(self) -> Head:
        """Where the log stands now: what others see already, be it a reader here or another replica."""
        ...

    async def wait_for_head(self, beyond: int) -> Head:
        """The head as soon as its position is larger than `beyond`.

        Raises `StoreUnavailable`, and `HistoryDiverged` where the log lost its end: `head` is then what is left.
        """
        ...

    async def wait_until_away(self) -> None:
        """Return once nothing could be read for some seconds; never where the database is a file here."""
        ...

    async def wait_until_back(self) -> None:
        """Return once something can be read again."""
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

    async def find_by_aliases(self, aliases: Sequence[MessageKey], limit: int) -> list[list[MessageKey]]:
        """Of each alias, up to `limit` messages of which a recipient is known by it, in the order of the aliases.

        An alias stands where a key has its `message_id`; an empty `provider` means any.
        """
        ...

    async def read_messages(self, keys: Sequence[MessageKey], limit: int) -> list[list[RecipientStatus]]:
        """Of each key, up to `limit` recipients of the messages with exactly this id, by first appearance.

        An empty `provider` means any. The lists are in the order of the keys.
        """
        ...

    async def list_recipients(self, wanted: StatusFilter, before: int | None, limit: int) -> StatusPage:
        """Up to `limit` recipients that match, by first appearance, newest first, of those before a place.

        None is the beginning of the list. A page may hold fewer, or none, and not be the last: one call looks at a
        bounded number of recipients.
        """
        ...

    async def read_history(self, message: MessageKey, recipient: str, after: int, limit: int) -> list[LogEntry]:
        """Up to `limit` entries of a message with positions larger than `after`, in order.

        An empty `recipient` means all of them.
        """
        ...

    async def read_ref(self, key: RefKey, limit: int) -> list[StoredStatus]:
        """Up to `limit` recipients that have exactly this message ref, by first appearance."""
        ...

    async def read_ref_history(self, key: RefKey, recipient: str, after: int, limit: int) -> list[LogEntry]:
        """Up to `limit` entries of recipients that have this message ref with positions larger than `after`, in order.

        An empty `recipient` means all of them.
        """
        ...

    async def count_recipients(self, message: MessageKey) -> dict[Evidence, int]:
        """How many recipients of a message have each evidence."""
        ...

    async def read_log(self, after: int, limit: int, expected: bytes | None = None) -> list[LogEntry]:
        """Up to `limit` entries with positions larger than `after`, in order.

        Raises `PositionCompacted` where `after` is below the floor, and `HistoryDiverged` where the row at `after` has
        not the `expected` fingerprint. All are of one moment: who reads page after page while the floor moves, or while
        a standby takes over, finds an error, and never a gap. Entries that are missing below the head are an error too.
        """
        ...

    async def follow_log(self, after: int, limit: int, expected: bytes | None = None) -> list[LogEntry]:
        """As `read_log`, for the one who follows the log's end on behalf of all who are near it.

        It waits for no `read_log`, and neither do `read_head`, `fingerprint_at` and `last_before`: however many catch
        up, what is new is told and new watches begin.
        """
        ...

    async def fingerprint_at(self, position: int) -> bytes:
        """The fingerprint of the row at a position that the head has reached, or of the row that stood at the floor.

        Raises `PositionCompacted` below the floor.
        """
        ...

    async def last_before(self, commit_time: int) -> tuple[int, bytes]:
        """Position and fingerprint of the last row committed before this time, in microseconds; 0 before the first.

        Raises `PositionCompacted` where rows committed at this time or later are gone.
        """
        ...

    async def read_payload(self, position: int) -> Payload | None:
        """The raw body that brought the event at this position, if one is kept."""
        ...

    async def find_positions(self, candidates: Sequence[Candidate]) -> list[int]:
        """Where each of these events stands in the log; 0 where it is not in it."""
        ...

    async def list_quarantine(
        self, provider: str, include_replayed: bool, before: int | None, limit: int
    ) -> QuarantinePage:
        """Up to `limit` quarantined webhooks with ids smaller than `before`, newest first; None is the beginning.

        An empty `provider` means any. Without `include_replayed` only those with problems are listed. A page may hold
        fewer, or none, and not be the last: one call looks at a bounded number of webhooks.
        """
        ...

    async def read_quarantined(self, quarantined_id: int) -> tuple[Quarantined, Payload] | None:
        """One quarantined webhook and its body, if it is there."""
        ...

    async def discard_quarantined(self, ids: Sequence[int]) -> int:
        """Throw quarantined webhooks away; gives how many were there. When it returns, that is durable."""
        ...

    async def compact(self, silent_since: int, after: int, limit: int) -> Step:
        """Delete the log rows of recipients whose last event was committed before a time: all of theirs, or none.

        One short transaction, which looks at `limit` rows from the oldest after a position, and deletes that many, or
        those of one recipient where it alone has more. In it the floor moves to the highest position that was deleted,
        `compact_time` is set on the statuses, and bodies of which no event is left are deleted. `deleted` counts log
        rows.
        """
        ...

    async def forget(self, silent_since: int, after: int, limit: int) -> Step:
        """Delete recipients whose last event was committed before a time, and whose log rows are gone.

        One short transaction, which looks at `limit` recipients by first appearance after a place. A later event of
        theirs makes a new recipient, at a place of its own. `deleted` counts recipients.
        """
        ...

    async def discard_payloads(self, received_before: int, after: int, limit: int) -> Step:
        """Delete kept bodies that were received before a time, wherever they are among younger ones.

        One short transaction, which looks at `limit` bodies after a place, in the order in which they were kept, and
        deletes no more than a few MiB of them. `deleted` counts bodies.
        """
        ...

    async def release_pages(self, limit: int) -> int:
        """Give up to `limit` free pages back to the file system, in one short transaction, and say how many those were.

        Some free pages stay as a reserve for new events. PostgreSQL looks after its free space itself: 0.
        """
        ...

    async def close(self) -> None:
        """Finish what is being written, break off what is being read, and let go of the database.

        A database elsewhere that does not answer is not waited for: what it was sent may be committed, or not.
        """
        ...


class RecipientRecord(msgspec.Struct, array_like=True):
    """A recipient's stored status, its log rows that remain in order of position, and how look-ups find it.

    `unfindable` has those of its aliases and refs by which they do not.
    """

    stored: StoredStatus
    entries: list[LogEntry]
    hashes: IdentityHashes
    address_hash: int
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
    hashes: Hashes
    """The hash functions of the store."""

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
