"""A msgstate file as a copy reads it, or makes it; see `Copyable`."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from msgstate_server.domain.errors import StoreUnusable
from msgstate_server.store.copyable import BATCH_BYTES, TABLES, Contents, Key, Marker, Row, Standing, Table
from msgstate_server.store.sql import statements
from msgstate_server.store.sqlite.audit import SqliteAudit
from msgstate_server.store.sqlite.bulk import write_rows
from msgstate_server.store.sqlite.connection import (
    FileLock,
    lock_holder,
    open_as_it_is,
    open_for_reading,
    open_for_writing,
    require_safe_library,
)
from msgstate_server.store.sqlite.queries import read_hash_key, read_head
from msgstate_server.store.sqlite.reader import close_behind

if TYPE_CHECKING:
    import sqlite3 as sqlite
else:
    import pysqlite3.dbapi2 as sqlite

_SQL: Final = statements("msgstate_server.store.sqlite", "copying.sql")

_T = TypeVar("_T")


class SqliteCopyable:
    """See `Copyable`."""

    def __init__(self, path: Path) -> None:
        """Name the file; nothing is opened yet."""
        self._path = path

    @asynccontextmanager
    async def source(self) -> AsyncIterator["SqliteSource"]:
        """See `Copyable`."""
        require_safe_library()
        with closing(SqliteSource(self._path)) as view:
            yield view

    @asynccontextmanager
    async def destination(self) -> AsyncIterator["SqliteDestination"]:
        """See `Copyable`."""
        require_safe_library()
        with closing(SqliteDestination(self._path)) as made:
            yield made


class _SqliteView:
    """See `View`. What is asked of the file is done in a thread, one after the other."""

    name: str

    def __init__(self, path: Path) -> None:
        """Name the file; nothing is opened yet."""
        self._path = path
        self._thread = ThreadPoolExecutor(1, "msgstate-copy")
        self._opened = ExitStack()
        self._connection: sqlite.Connection | None = None

    @property
    def connection(self) -> sqlite.Connection:
        """Over which it is read and written."""
        assert self._connection is not None  # noqa: S101  (a source is open, a destination begun or gone on with)
        return self._connection

    def own(self, connection: sqlite.Connection) -> None:
        """Use the connection from now on, until it is closed."""
        self._connection = connection
        self._opened.callback(close_behind, self._thread, connection)

    def lock(self) -> None:
        """Keep servers off the file until it is closed."""
        self._opened.callback(FileLock(self._path.resolve()).release)

    def close(self) -> None:
        """Break off what is being done, and let go of the file."""
        self._opened.close()
        self._thread.shutdown()

    async def run(self, work: Callable[[], _T]) -> _T:
        """What is done in the thread; raises `StoreUnusable`."""
        with self.reporting_errors():
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    @contextmanager
    def reporting_errors(self) -> Iterator[None]:
        """See `View`."""
        try:
            yield
        except (sqlite.Error, msgspec.DecodeError) as error:
            raise StoreUnusable(f"{self.name}: {self._path}: {error}") from error

    async def standing(self) -> Standing:
        """See `View`."""
        return await self.run(self._standing)

    def _standing(self) -> Standing:
        ids = self.connection.execute(_SQL["last_ids"]).fetchone()
        return Standing(read_head(self.connection), read_hash_key(self.connection), *ids)

    async def count(self, table: Table) -> int:
        """See `View`."""
        statement = table.expand(_SQL["count"])
        return await self.run(lambda: int(self.connection.execute(statement).fetchone()[0]))

    async def read(self, table: Table, after: Key, limit: int) -> list[Row]:
        """See `View`."""
        return await self.run(lambda: self._read(table, after, limit))

    def _read(self, table: Table, after: Key, limit: int) -> list[Row]:
        statement = table.expand(_SQL["read"]).replace(":after", ", ".join("?" * table.keys))
        cursor = self.connection.execute(statement, (*after, limit))
        if not table.long:
            return cursor.fetchall()
        long, size, rows = table.columns.index(table.long), 0, []
        for row in cursor:
            rows.append(row)
            size += len(row[long])
            if size >= BATCH_BYTES:
                break
        return rows

    async def audit(self) -> SqliteAudit:
        """See `View`."""
        return await self.run(lambda: SqliteAudit(self.connection, self._thread))


class SqliteSource(_SqliteView):
    """See `Source`."""

    name = "SOURCE"

    def __init__(self, path: Path) -> None:
        """Open the file, and take its lock; raises `StoreUnusable`."""
        super().__init__(path)
        try:
            self.own(open_for_reading(path))
            _require_unserved(path)
            self.lock()
            self.connection.execute("BEGIN")
        except BaseException:
            self.close()
            raise

    async def look_again(self) -> None:
        """See `Source`."""
        await self.run(self._look_again)

    def _look_again(self) -> None:
        self.connection.execute("COMMIT")
        self.connection.execute("BEGIN")


def _require_unserved(path: Path) -> None:
    if holder := lock_holder(path.resolve()):
        raise StoreUnusable(f"SOURCE: a server (process {holder}) runs on {path}: stop it first")


class SqliteDestination(_SqliteView):
    """See `Destination`."""

    name = "DEST"

    async def contents(self) -> Contents | None:
        """See `Destination`."""
        return await self.run(self._contents)

    def _contents(self) -> Contents | None:
        if not self._path.exists():
            return None
        with closing(open_as_it_is(self._path, unfinished=True)) as connection:
            found = {name for (name,) in connection.execute(_SQL["what_is_there"])}
            if "copying" in found:
                marker = Marker(*connection.execute(_SQL["read_marker"]).fetchone())
                return Contents(marker.log_id, 0, is_empty=False, marker=marker)
            if "head" not in found:
                return None
            found = connection.execute(_SQL["contents"]).fetchone()
            if found is None:
                raise sqlite.DatabaseError("its head is gone")
            log_id, position, is_empty = found
            return Contents(log_id, position, bool(is_empty), marker=None)

    async def begin(self, standing: Standing) -> None:
        """See `Destination`."""
        await self.run(lambda: self._begin(standing))

    def _begin(self, standing: Standing) -> None:
        self._open()
        # Looked at anew under the lock, since a server may have been on the file.
        contents = self._contents()
        if contents is None or not (contents.is_empty or contents.marker):
            raise StoreUnusable(f"DEST: {self._path} was written to meanwhile: name a new file")
        with self._transaction():
            self.connection.execute(_SQL["make_marker"])
            for name in ("copying", "head", *(table.name for table in TABLES)):
                self.connection.execute(_SQL["clear"].replace(":table", name))
            self.connection.execute(_SQL["write_marker"], (standing.head.log_id, standing.encode()))

    async def go_on(self) -> None:
        """See `Destination`."""
        await self.run(self._open)

    def _open(self) -> None:
        self.lock()
        self.own(open_for_writing(self._path, unfinished=True))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite.Error):
                self.connection.execute("ROLLBACK")
            raise

    async def last_key(self, table: Table) -> Key:
        """See `Destination`."""
        statement = table.expand(_SQL["last_key"])
        return await self.run(lambda: self.connection.execute(statement).fetchone() or table.beginning)

    async def write(self, table: Table, rows: Sequence[Row]) -> None:
        """See `Destination`."""
        await self.run(lambda: self._write(table, rows))

    def _write(self, table: Table, rows: Sequence[Row]) -> None:
        with self._transaction():
            write_rows(self.connection, table.expand(_SQL["write"]), rows)

    async def write_standing(self, standing: Standing) -> None:
        """See `Destination`."""
        await self.run(lambda: self._write_standing(standing))

    def _write_standing(self, standing: Standing) -> None:
        head = standing.head
        row = (head.log_id, head.position, head.commit_time, head.fingerprint)
        floor = (head.floor, head.floor_fingerprint, head.floor_time)
        with self._transaction():
            self.connection.execute(_SQL["clear"].replace(":table", "head"))
            ids = (standing.last_status, standing.last_payload)
            self.connection.execute(_SQL["write_head"], (*row, *floor, *ids, standing.hash_key))
            self.connection.execute(_SQL["forget_sequence"])
            self.connection.execute(_SQL["write_sequence"], (standing.last_quarantined,))

    async def give_up(self) -> None:
        """See `Destination`."""
        await self.run(lambda: self.connection.execute(_SQL["give_up"]))

    async def finish(self) -> None:
        """See `Destination`."""
        await self.run(lambda: self.connection.execute(_SQL["drop_marker"]))
