"""The `Store` protocol on PostgreSQL: any number of servers share one database, and each follows its head."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final, TypeVar

import msgspec
import structlog

from msgstate_server.domain.decision import Candidate, Outcome, Payload, StoredStatus, Submission
from msgstate_server.domain.errors import HistoryDiverged, StoreUnavailable
from msgstate_server.domain.log import Head, LogEntry
from msgstate_server.domain.states import Evidence
from msgstate_server.domain.status import RecipientStatus
from msgstate_server.failpoints import failpoint
from msgstate_server.store.hashing import Hashes
from msgstate_server.store.postgres import compaction, log_positions, lookups
from msgstate_server.store.postgres.connection import Connection, Connections, connect, required
from msgstate_server.store.postgres.connectivity import Connectivity
from msgstate_server.store.postgres.hosts import Hosts
from msgstate_server.store.postgres.incomplete_copy import require_finished
from msgstate_server.store.postgres.lookups import Lookups
from msgstate_server.store.postgres.migrations import migrate
from msgstate_server.store.postgres.queries import read_hashes
from msgstate_server.store.postgres.writer import Writer
from msgstate_server.store.protocol import (
    MessageKey,
    Quarantined,
    QuarantinePage,
    RefKey,
    StatusFilter,
    StatusPage,
    Step,
)

_BUSY_SECONDS: Final = 0.002
"""How soon the head is looked at again after it moved."""
_IDLE_SECONDS: Final = 0.02
"""How soon while somebody waits for it and it stands still."""
_UNWATCHED_SECONDS: Final = 0.5
"""How soon where nobody waits: what is answered with a token must not be far behind."""

_END_SECONDS: Final = 3.0
"""How long a read of the log's end may take: its few rows were just written, and are in memory."""
_CLOSE_SECONDS: Final = 1.0
"""How long `close` waits for what is being written: a database that fell silent must not keep a server that ends."""

_DIVERGED: Final = (
    "the log lost its end: a standby that had not all of it took over; read the statuses anew and watch from the token "
    "that comes with them"
)

_T = TypeVar("_T")
_log = structlog.get_logger("msgstate.store")


class PostgresStore:
    """A msgstate database, open for one of its servers. Make it with `open`; see `Store` for what it promises."""

    def __init__(self, url: str, clock: Callable[[], int], head: Head, hashes: Hashes) -> None:
        """Hold what `open` found."""
        self._clock = clock
        self._head = head
        # Each has connections of its own: no question, however long, keeps watches from the log, and nobody who catches
        # up keeps them from what is new.
        hosts = Hosts(url)
        self._write = Connections(hosts, 2)
        self._pages = Connections(hosts, 4)
        self._history = Connections(hosts, 2)
        self._end = Connections(hosts, 1, _END_SECONDS)
        self._connectivity = Connectivity()
        self._writer = Writer(self._write, hashes, clock)
        self._hashes = hashes
        self._lookups = Lookups(hashes)
        self._news: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._committing: set[asyncio.Task[Any]] = set()
        self._waiting = 0
        # How often the log lost its end, and of how many times whoever waits was told: it may not have been waiting.
        self._lost = 0
        self._reported = 0
        self._wanted = asyncio.Event()
        self._opened = AsyncExitStack()

    @classmethod
    async def open(cls, url: str, clock: Callable[[], int]) -> "PostgresStore":
        """Open the database, its schema made or brought up to date; raises `StoreUnusable`. `clock` is for commits."""
        connection = await connect(url)
        try:
            with required():
                await require_finished(connection)
                await migrate(connection, announce=_announce)
                head = await log_positions.read_head(connection)
                hashes = await read_hashes(connection)
        finally:
            await connection.close()
        store = cls(url, clock, head, hashes)
        for connections in (store._write, store._pages, store._history, store._end):
            await connections.open()
            store._opened.push_async_callback(connections.close)
        following = asyncio.create_task(store._follow_head())
        store._opened.callback(following.cancel)
        return store

    @property
    def head(self) -> Head:
        """See `Store`."""
        return self._head

    async def read_head(self) -> Head:
        """See `Store`."""
        before, lost = self._head, self._lost
        head = await self._read_end(log_positions.read_head)
        self._show(head, before, lost)
        return head

    async def _read_end(self, read: Callable[[Connection], Coroutine[Any, Any, _T]]) -> _T:
        """What `read` finds at the log's end, where somebody looks all the time: so it tells of the database too."""
        with self._connectivity.observe():
            return await self._end.run(read)

    async def wait_until_away(self) -> None:
        """See `Store`."""
        await self._connectivity.wait_until_away()

    async def wait_until_back(self) -> None:
        """See `Store`."""
        await self._connectivity.wait_until_back()

    async def wait_for_head(self, beyond: int) -> Head:
        """See `Store`."""
        reported = self._reported
        self._waiting += 1
        self._wanted.set()
        try:
            while self._head.position <= beyond:
                if reported != self._lost:
                    self._reported = self._lost
                    raise HistoryDiverged(_DIVERGED)
                await asyncio.shield(self._news)
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._wanted.clear()
        return self._head

    async def _follow_head(self) -> None:
        """Look at the head again and again: often while somebody waits for it, and often while it moves."""
        seconds = _BUSY_SECONDS
        while True:
            await self._pause(seconds)
            before = self._head
            try:
                await self.read_head()
            except Exception as error:  # noqa: BLE001
                # Whatever it is: where nobody looks at the head, watches stand still for ever.
                self._tell(_as_unavailable(error))
                seconds = _UNWATCHED_SECONDS
                continue
            moved = self._head.position != before.position
            seconds = _BUSY_SECONDS if moved else min(2 * seconds, _IDLE_SECONDS)

    async def _pause(self, seconds: float) -> None:
        if not self._waiting:
            try:
                async with asyncio.timeout(_UNWATCHED_SECONDS):
                    await self._wanted.wait()
            except TimeoutError:
                return
        await asyncio.sleep(seconds)

    def _show(self, head: Head, before: Head, lost: int) -> None:
        """Show a head that was read or committed; before that began `before` was shown, and the end was lost so often.

        What was shown then is in what is read later, but for a standby that had not all of it and took over.
        """
        if _is_undone(before, head):
            if lost != self._lost:
                # Who read beside this has told of it.
                return
            _log.error("the log is not what it was", position=head.position, known=before.position)
            self._head = head
            self._lost += 1
            self._tell(None)
        elif head.position > self._head.position:
            self._head = head
            self._tell(None)
        elif head.position == self._head.position and head.floor > self._head.floor:
            self._head = head

    def _tell(self, error: Exception | None) -> None:
        """Wake whoever waits, with an error where there is one."""
        news, self._news = self._news, asyncio.get_running_loop().create_future()
        if error is None:
            news.set_result(None)
        elif self._waiting:
            news.set_exception(error)
        else:
            news.cancel()

    async def append(self, submissions: Sequence[Submission]) -> list[list[Outcome]]:
        """See `Store`."""
        if not any(each.candidates or each.quarantined or each.problems for each in submissions):
            return [[] for _ in submissions]
        # Even where the caller goes away the head must follow what was committed.
        return await self._finished(self._commit(submissions))

    async def _finished(self, work: Coroutine[Any, Any, _T]) -> _T:
        """What is written, which cannot be called back: where its caller goes away it goes on; `close` waits a bit."""
        committing = asyncio.create_task(work)
        self._committing.add(committing)
        committing.add_done_callback(self._committing.discard)
        return await asyncio.shield(committing)

    async def _commit(self, submissions: Sequence[Submission]) -> list[list[Outcome]]:
        # Of the time before: another replica's commits may be shown while the answer to this one is on its way.
        before, lost = self._head, self._lost
        written = await self._writer.write(submissions)
        if written.last is not None:
            # Whoever commits holds the head until then: all before it is committed, by whichever replica.
            self._show(msgspec.structs.replace(self._head, **written.last._asdict()), before, lost)
        return written.outcomes

    async def read_recipients(
        self, message_id: str, provider: str, recipient: str, limit: int
    ) -> list[RecipientStatus]:
        """See `Store`."""
        return await self._pages.run(
            lambda page: self._lookups.read_recipients(page, message_id, provider, recipient, limit)
        )

    async def find_messages(self, message_id: str, provider: str, limit: int) -> list[MessageKey]:
        """See `Store`."""
        return await self._pages.run(lambda page: self._lookups.find_messages(page, message_id, provider, limit))

    async def find_by_aliases(self, aliases: Sequence[MessageKey], limit: int) -> list[list[MessageKey]]:
        """See `Store`."""
        return await self._pages.run(lambda page: self._lookups.find_by_aliases(page, aliases, limit))

    async def read_messages(self, keys: Sequence[MessageKey], limit: int) -> list[list[RecipientStatus]]:
        """See `Store`."""
        return await self._pages.run(lambda page: self._lookups.read_messages(page, keys, limit))

    async def list_recipients(self, wanted: StatusFilter, before: int | None, limit: int) -> StatusPage:
        """See `Store`."""
        return await self._pages.run(lambda page: self._lookups.list_recipients(page, wanted, before, limit))

    async def read_history(self, message: MessageKey, recipient: str, after: int, limit: int) -> list[LogEntry]:
        """See `Store`."""
        return await self._pages.run(lambda page: self._lookups.read_history(page, message, recipient, after, limit))

    async def read_ref(self, key: RefKey, limit: int) -> list[StoredStatus]:
        """See `Store`."""
        return await self._pages.run(lambda page: self._lookups.read_ref(page, key, limit))

    async def read_ref_history(self, key: RefKey, recipient: str, after: int, limit: int) -> list[LogEntry]:
        """See `Store`."""
        return await self._pages.run(lambda page: self._lookups.read_ref_history(page, key, recipient, after, limit))

    async def count_recipients(self, message: MessageKey) -> dict[Evidence, int]:
        """See `Store`."""
        return await self._pages.run(lambda page: self._lookups.count_recipients(page, message))

    async def read_log(self, after: int, limit: int, expected: bytes | None = None) -> list[LogEntry]:
        """See `Store`."""
        return await self._history.run(lambda history: log_positions.read_log(history, after, limit, expected))

    async def follow_log(self, after: int, limit: int, expected: bytes | None = None) -> list[LogEntry]:
        """See `Store`."""
        return await self._read_end(lambda end: log_positions.read_log(end, after, limit, expected))

    async def fingerprint_at(self, position: int) -> bytes:
        """See `Store`."""
        return await self._read_end(lambda end: log_positions.fingerprint_at(end, position))

    async def last_before(self, commit_time: int) -> tuple[int, bytes]:
        """See `Store`."""
        return await self._read_end(lambda end: log_positions.last_before(end, commit_time))

    async def read_payload(self, position: int) -> Payload | None:
        """See `Store`."""
        return await self._pages.run(lambda page: lookups.read_payload(page, position))

    async def find_positions(self, candidates: Sequence[Candidate]) -> list[int]:
        """See `Store`."""
        return await self._pages.run(lambda page: self._lookups.find_positions(page, candidates))

    async def list_quarantine(
        self, provider: str, include_replayed: bool, before: int | None, limit: int
    ) -> QuarantinePage:
        """See `Store`."""
        return await self._pages.run(
            lambda page: lookups.list_quarantine(page, provider, include_replayed, before, limit)
        )

    async def read_quarantined(self, quarantined_id: int) -> tuple[Quarantined, Payload] | None:
        """See `Store`."""
        return await self._pages.run(lambda page: lookups.read_quarantined(page, quarantined_id))

    async def discard_quarantined(self, ids: Sequence[int]) -> int:
        """See `Store`."""
        return await self._writer.discard_quarantined(ids)

    async def compact(self, silent_since: int, after: int, limit: int) -> Step:
        """See `Store`."""
        failpoint("compact.before_begin")
        step = await self._finished(
            self._writer.transact(lambda own: compaction.compact(own, self._clock(), silent_since, after, limit))
        )
        failpoint("compact.after_commit")
        if step.deleted:
            await self.read_head()
        return step

    async def forget(self, silent_since: int, after: int, limit: int) -> Step:
        """See `Store`."""
        failpoint("forget.before_begin")
        step = await self._finished(
            self._writer.transact(lambda own: compaction.forget(own, self._hashes, silent_since, after, limit))
        )
        failpoint("forget.after_commit")
        return step

    async def discard_payloads(self, received_before: int, after: int, limit: int) -> Step:
        """See `Store`."""
        failpoint("discard.before_begin")
        step = await self._finished(
            self._writer.transact(lambda own: compaction.discard_payloads(own, received_before, after, limit))
        )
        failpoint("discard.after_commit")
        return step

    async def release_pages(self, limit: int) -> int:
        """See `Store`."""
        return 0

    async def close(self) -> None:
        """See `Store`. What the database does not answer in time is broken off: it may be committed, or not."""
        if self._committing:
            await asyncio.wait(self._committing, timeout=_CLOSE_SECONDS)
        broken_off = list(self._committing)
        await self._opened.aclose()
        # Also those that are not at a connection now, but wait for one.
        for committing in broken_off:
            committing.cancel()
        await asyncio.gather(*broken_off, return_exceptions=True)


def _as_unavailable(error: Exception) -> StoreUnavailable:
    """What those are told who wait for the head."""
    if isinstance(error, StoreUnavailable):
        return error
    _log.error("the head cannot be followed", exc_info=error)
    return StoreUnavailable("the head cannot be read now; try again later")


def _is_undone(before: Head, head: Head) -> bool:
    """Whether a head that was read later says that the log lost what it had."""
    if (head.log_id, head.position) == (before.log_id, before.position):
        return head.fingerprint != before.fingerprint
    return head.log_id != before.log_id or head.position < before.position


def _announce(names: list[str]) -> None:
    """Tell who waits for a start what it does: a migration may rewrite every row."""
    _log.info("migrating the database", migrations=names)
