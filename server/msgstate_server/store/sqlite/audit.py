"""One consistent view of a msgstate file for `check`, beside a running server or without one."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from msgstate_server.domain.errors import StoreUnusable
from msgstate_server.domain.log import LogEntry
from msgstate_server.store.protocol import RecipientRecord, Unreadable
from msgstate_server.store.sqlite.connection import open_for_reading, require_safe_library
from msgstate_server.store.sqlite.queries import fetch_json, read_hashes, read_head
from msgstate_server.store.sqlite.reader import close_behind

if TYPE_CHECKING:
    import sqlite3 as sqlite
else:
    import pysqlite3.dbapi2 as sqlite

_T = TypeVar("_T")

_RECIPIENTS: Final = 500
_ROWS: Final = 10_000

_records: Final = msgspec.json.Decoder(list[RecipientRecord])
_places: Final = msgspec.json.Decoder(list[tuple[int, int]])


class SqliteAuditor:
    """Opens consistent views of a file; see `Auditable`."""

    def __init__(self, path: Path) -> None:
        """Name the file; it is opened by `audit`."""
        self._path = path

    @asynccontextmanager
    async def audit(self) -> AsyncIterator["SqliteAudit"]:
        """Open a view in one read transaction; raises `StoreUnusable`."""
        require_safe_library()
        thread = ThreadPoolExecutor(1, "msgstate-check")
        connection = await asyncio.to_thread(open_for_reading, self._path)
        try:
            connection.execute("BEGIN")
            yield SqliteAudit(connection, thread)
        except (sqlite.Error, msgspec.DecodeError) as error:
            raise StoreUnusable(f"{self._path} is damaged ({error}): restore a backup") from error
        finally:
            close_behind(thread, connection)


class SqliteAudit:
    """See `Audit`."""

    def __init__(self, connection: sqlite.Connection, thread: ThreadPoolExecutor) -> None:
        """Read the head, which fixes what the transaction sees; the rest is read in the thread."""
        self._connection, self._thread = connection, thread
        self.head = read_head(connection)
        self.hashes = read_hashes(connection)
        connection.create_function("hash_of_alias", 1, self.hashes.alias, deterministic=True)
        connection.create_function("hash_of_ref", 1, self.hashes.ref, deterministic=True)

    async def recipients(self) -> AsyncIterator[RecipientRecord | Unreadable]:
        """See `Audit`."""
        after = 0
        while True:
            page = await self._run(partial(fetch_json, self._connection, "audit_recipients", (after, _RECIPIENTS)))
            try:
                records: list[RecipientRecord | Unreadable] = list(_records.decode(page))
            except msgspec.ValidationError:
                records = [_record(raw) for raw in msgspec.json.decode(page)]
            if not records:
                return
            for record in records:
                yield record
            last = records[-1]
            after = last.status_id if isinstance(last, Unreadable) else last.stored.id

    async def log(self) -> AsyncIterator[tuple[int, int]]:
        """See `Audit`."""
        after = -1
        while page := await self._run(partial(self._log, after)):
            for place in page:
                yield place
            after = page[-1][0]

    async def _run(self, read: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, read)

    def _log(self, after: int) -> list[tuple[int, int]]:
        return _places.decode(fetch_json(self._connection, "audit_log", (after, _ROWS)))


def _record(raw: list[Any]) -> RecipientRecord | Unreadable:
    """One recipient of a page that could not be read whole; where it is this one, the row at fault."""
    (status_id, _), entries, *_ = raw
    try:
        return msgspec.convert(raw, RecipientRecord)
    except msgspec.ValidationError as error:
        for entry in entries:
            try:
                msgspec.convert(entry, LogEntry)
            except msgspec.ValidationError as entry_error:
                return Unreadable(status_id, f"event {entry[0]}", str(entry_error), len(entries))
        return Unreadable(status_id, f"status {status_id}", str(error), len(entries))
