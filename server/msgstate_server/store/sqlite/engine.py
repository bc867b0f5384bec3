"""The `Store` protocol on SQLite: one thread writes, reads never wait for it (WAL)."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from msgstate_server.domain.decision import Candidate, Outcome, Payload, StoredStatus, Submission
from msgstate_server.domain.errors import StoreUnusable
from msgstate_server.domain.identity import Identity
from msgstate_server.domain.log import Head, LogEntry
from msgstate_server.domain.states import Evidence
from msgstate_server.domain.status import RecipientStatus
from msgstate_server.store.protocol import (
    MessageKey,
    Quarantined,
    QuarantinePage,
    RefKey,
    StatusFilter,
    StatusPage,
    Step,
)
from msgstate_server.store.rows import status_from_row
from msgstate_server.store.sqlite.bodies import find_positions, list_quarantine, read_payload, read_quarantined
from msgstate_server.store.sqlite.connection import (
    FileLock,
    open_for_reading,
    open_for_writing,
    require_safe_library,
    unopenable,
)
from msgstate_server.store.sqlite.listing import RecipientLists
from msgstate_server.store.sqlite.log_positions import fingerprint_at, last_before, read_log
from msgstate_server.store.sqlite.messages import Part, find_by_aliases, parts, read_messages
from msgstate_server.store.sqlite.queries import (
    SQL,
    fetch_json,
    is_io_error,
    log_migrations,
    read_hashes,
    read_head,
    unavailable,
)
from msgstate_server.store.sqlite.reader import Reader
from msgstate_server.store.sqlite.recent import RecentLog
from msgstate_server.store.sqlite.writer import Writer

if TYPE_CHECKING:
    import sqlite3 as sqlite
else:
    import pysqlite3.dbapi2 as sqlite

_messages: Final = msgspec.json.Decoder(list[MessageKey])
_counts: Final = msgspec.json.Decoder(list[tuple[Evidence, int]])
_entries: Final = msgspec.json.Decoder(list[LogEntry])
_statuses: Final = msgspec.json.Decoder(list[StoredStatus])

_FEW: Final = 20
"""Recipients that are read on the event loop, as the statement says; most messages have fewer."""

_T = TypeVar("_T")


def now() -> int:
    """The time, in microseconds since 1970."""
    return time.time_ns() // 1000


class SqliteStore:
    """A msgstate file, open for one server. Make it with `open`; see `Store` for what its methods promise."""

    def __init__(self, path: Path, clock: Callable[[], int]) -> None:
        """Open the file; raises `StoreUnusable`."""
        require_safe_library()
        self.path = path
        with ExitStack() as opened:
            opened.callback(FileLock(path.resolve()).release)
            self._connection = opened.enter_context(closing(open_for_writing(path, log_migrations)))
            self._reader = opened.enter_context(closing(open_for_reading(path)))
            # Each has a reader of its own: no question, however long, keeps watches from the log, and nobody who
            # catches up keeps them from what is new.
            self._pages = opened.enter_context(closing(Reader(path, "msgstate-read")))
            self._log = opened.enter_context(closing(Reader(path, "msgstate-log")))
            self._end = opened.enter_context(closing(Reader(path, "msgstate-end")))
            try:
                self._head = read_head(self._connection)
                self._hashes = read_hashes(self._connection)
            except sqlite.Error as error:
                raise StoreUnusable(unopenable(path, error)) from error
            self._opened = opened.pop_all()
        self._writer = Writer(self._connection, self._hashes, clock)
        self._recent = RecentLog()
        self._lists = RecipientLists(self._hashes)
        self._advanced = asyncio.Event()
        self._write_thread = ThreadPoolExecutor(1, "msgstate-write")

    @classmethod
    async def open(cls, path: Path, clock: Callable[[], int] = now) -> "SqliteStore":
        """Open the file, made new where there is none; raises `StoreUnusable`. `clock` gives commit times."""
        return await asyncio.to_thread(cls, path, clock)

    @property
    def head(self) -> Head:
        """See `Store`."""
        return self._head

    async def read_head(self) -> Head:
        """See `Store`."""
        return await self._end.run(read_head)

    async def wait_for_head(self, beyond: int) -> Head:
        """See `Store`."""
        while self._head.position <= beyond:
            await self._advanced.wait()
        return self._head

    async def wait_until_away(self) -> None:
        """See `Store`. A disk that fails fails some calls and not others, and no other server has the file."""
        await asyncio.Event().wait()

    async def wait_until_back(self) -> None:
        """See `Store`."""

    async def append(self, submissions: Sequence[Submission]) -> list[list[Outcome]]:
        """See `Store`."""
        # A commit cannot be called back: even where the caller goes away, the head must follow what was committed.
        return await asyncio.shield(asyncio.ensure_future(self._append(submissions)))

    async def _append(self, submissions: Sequence[Submission]) -> list[list[Outcome]]:
        decision = await self._commit(partial(self._writer.write, submissions))
        self._recent.extend([appended.entry for appended in decision.appended])
        return decision.outcomes

    async def _commit(self, write: Callable[[], tuple[_T, Head]]) -> _T:
        loop = asyncio.get_running_loop()
        result, head = await loop.run_in_executor(self._write_thread, write)
        self._follow(head)
        return result

    def _follow(self, head: Head) -> None:
        """Show a head that was committed, if it is not older than the one that is shown."""
        before = self._head
        if head.position >= before.position and head.floor >= before.floor:
            self._head = head
        if head.position > before.position:
            advanced, self._advanced = self._advanced, asyncio.Event()
            advanced.set()

    async def read_recipients(
        self, message_id: str, provider: str, recipient: str, limit: int
    ) -> list[RecipientStatus]:
        """See `Store`."""
        if recipient:
            return await self._read_recipient(message_id, provider, recipient, limit)
        values = (self._hashes.message(message_id), message_id, provider)
        found = self._read(lambda: _read_statuses(self._reader, "read_few_recipients", values))
        if len(found) == _FEW:
            found = await self._pages.run(
                lambda pager: _read_statuses(pager, "read_first_recipients", (*values, limit))
            )
        found.sort(key=lambda stored: stored.id)
        return [stored.status for stored in found[:limit]]

    async def _read_recipient(
        self, message_id: str, provider: str, recipient: str, limit: int
    ) -> list[RecipientStatus]:
        """One recipient: straight by its identity or, where the provider is not known, among all of the message's."""
        if provider:
            values = (
                *self._hashes.identity(Identity(provider, message_id, recipient)),
                message_id,
                provider,
                recipient,
            )
            found = self._read(lambda: _read_statuses(self._reader, "read_recipient", values))
        else:
            some = (self._hashes.message(message_id), message_id, recipient, limit)
            found = await self._pages.run(lambda pager: _read_statuses(pager, "read_recipient_anywhere", some))
        return [stored.status for stored in found]

    async def find_messages(self, message_id: str, provider: str, limit: int) -> list[MessageKey]:
        """See `Store`."""
        values = (self._hashes.message(message_id), message_id, provider, limit)
        return await self._pages.run(lambda pager: _messages.decode(fetch_json(pager, "find_messages", values)))

    async def find_by_aliases(self, aliases: Sequence[MessageKey], limit: int) -> list[list[MessageKey]]:
        """See `Store`."""
        return await self._read_parts(aliases, lambda part, pager: find_by_aliases(pager, self._hashes, part, limit))

    async def read_messages(self, keys: Sequence[MessageKey], limit: int) -> list[list[RecipientStatus]]:
        """See `Store`."""
        return await self._read_parts(keys, lambda part, pager: read_messages(pager, self._hashes, part, limit))

    async def _read_parts(
        self, keys: Sequence[MessageKey], read: Callable[[Part, sqlite.Connection], list[_T]]
    ) -> list[_T]:
        """What each key has, in the order of the keys."""
        found: dict[MessageKey, _T] = {}
        for part in parts(keys):
            found |= zip(part.keys, await self._pages.run(partial(read, part)), strict=True)
        return [found[key] for key in keys]

    async def list_recipients(self, wanted: StatusFilter, before: int | None, limit: int) -> StatusPage:
        """See `Store`."""
        return await self._pages.run(lambda pager: self._lists.read(pager, wanted, before, limit))

    async def read_history(self, message: MessageKey, recipient: str, after: int, limit: int) -> list[LogEntry]:
        """See `Store`."""
        provider, message_id = message.provider, message.message_id
        name = "read_recipient_history" if recipient else "read_history"
        values: tuple[object, ...] = (self._hashes.message(message_id), provider, message_id, after, limit)
        if recipient:
            hashes = self._hashes.identity(Identity(provider, message_id, recipient))
            values = (*hashes, provider, message_id, recipient, after, limit)
        return await self._pages.run(lambda pager: _entries.decode(fetch_json(pager, name, values)))

    async def read_ref(self, key: RefKey, limit: int) -> list[StoredStatus]:
        """See `Store`."""
        values = (self._hashes.ref(key.message_ref), key.message_ref, key.provider, limit)
        return await self._pages.run(lambda pager: _statuses.decode(fetch_json(pager, "read_ref", values)))

    async def read_ref_history(self, key: RefKey, recipient: str, after: int, limit: int) -> list[LogEntry]:
        """See `Store`."""
        values = (self._hashes.ref(key.message_ref), key.message_ref, key.provider, recipient, after, limit)
        return await self._pages.run(lambda pager: _entries.decode(fetch_json(pager, "read_ref_history", values)))

    async def count_recipients(self, message: MessageKey) -> dict[Evidence, int]:
        """See `Store`."""
        values = (self._hashes.message(message.message_id), message.provider, message.message_id)
        return await self._pages.run(lambda pager: dict(_counts.decode(fetch_json(pager, "count_recipients", values))))

    async def read_log(self, after: int, limit: int, expected: bytes | None = None) -> list[LogEntry]:
        """See `Store`."""
        return await self._log.run(lambda log: read_log(log, after, limit, expected))

    async def follow_log(self, after: int, limit: int, expected: bytes | None = None) -> list[LogEntry]:
        """See `Store`."""
        recent = self._recent.after(after, limit, expected) if after >= self._head.floor else []
        return recent or await self._end.run(lambda log: read_log(log, after, limit, expected))

    async def fingerprint_at(self, position: int) -> bytes:
        """See `Store`."""
        return await self._end.run(lambda log: fingerprint_at(log, position))

    async def last_before(self, commit_time: int) -> tuple[int, bytes]:
        """See `Store`."""
        return await self._end.run(lambda log: last_before(log, commit_time))

    async def read_payload(self, position: int) -> Payload | None:
        """See `Store`."""
        return await self._pages.run(lambda pager: read_payload(pager, position))

    async def find_positions(self, candidates: Sequence[Candidate]) -> list[int]:
        """See `Store`."""
        return await self._pages.run(lambda pager: find_positions(pager, self._hashes, candidates))

    async def list_quarantine(
        self, provider: str, include_replayed: bool, before: int | None, limit: int
    ) -> QuarantinePage:
        """See `Store`."""
        return await self._pages.run(lambda pager: list_quarantine(pager, provider, include_replayed, before, limit))

    async def read_quarantined(self, quarantined_id: int) -> tuple[Quarantined, Payload] | None:
        """See `Store`."""
        return await self._pages.run(lambda pager: read_quarantined(pager, quarantined_id))

    async def discard_quarantined(self, ids: Sequence[int]) -> int:
        """See `Store`."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._write_thread, self._writer.discard_quarantined, ids)

    async def compact(self, silent_since: int, after: int, limit: int) -> Step:
        """See `Store`."""
        step = partial(self._writer.compact, silent_since, after, limit)
        return await asyncio.shield(asyncio.ensure_future(self._commit(step)))

    async def forget(self, silent_since: int, after: int, limit: int) -> Step:
        """See `Store`."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._write_thread, self._writer.forget, silent_since, after, limit)

    async def discard_payloads(self, received_before: int, after: int, limit: int) -> Step:
        """See `Store`."""
        step = partial(self._writer.discard_payloads, received_before, after, limit)
        return await asyncio.get_running_loop().run_in_executor(self._write_thread, step)

    async def release_pages(self, limit: int) -> int:
        """See `Store`."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._write_thread, self._writer.release_pages, limit)

    def _read(self, read: Callable[[], _T]) -> _T:
        """A read of few rows, on the event loop: a hop to a thread costs several times the query."""
        try:
            return read()
        except sqlite.DatabaseError as error:
            if not is_io_error(error):
                raise
            raise unavailable("read", error) from error

    async def close(self) -> None:
        """See `Store`."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._write_thread.shutdown()
        self._opened.close()


def _read_statuses(connection: sqlite.Connection, name: str, values: tuple[object, ...]) -> list[StoredStatus]:
    return [status_from_row(row) for row in connection.execute(SQL[name], values)]
