"""A msgstate database as a copy reads it, or makes it; see `Copyable`."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import asyncpg

from msgstate_server.domain.errors import StoreUnusable
from msgstate_server.store.copyable import BATCH_BYTES, Contents, Key, Marker, Row, Standing, Table
from msgstate_server.store.postgres.audit import PostgresAudit, require_schema
from msgstate_server.store.postgres.connection import Connection, connect
from msgstate_server.store.postgres.incomplete_copy import is_incomplete_copy, require_finished
from msgstate_server.store.postgres.log_positions import read_head
from msgstate_server.store.postgres.migrations import migrate
from msgstate_server.store.postgres.queries import SQL, read_hashes
from msgstate_server.store.sql import statements

_SQL: Final = statements("msgstate_server.store.postgres", "copying.sql")
_OTHERS_SECONDS: Final = 3.0
"""How long others may take to be gone: PostgreSQL notices a killed one in a moment."""
_OTHERS_PAUSE: Final = 0.1


class PostgresCopyable:
    """See `Copyable`."""

    def __init__(self, url: str) -> None:
        """Name the database; nothing is opened yet."""
        self._url = url

    @asynccontextmanager
    async def source(self) -> AsyncIterator["PostgresSource"]:
        """See `Copyable`."""
        async with self._connected("SOURCE") as connection:
            view = PostgresSource(connection)
            with view.reporting_errors():
                await require_finished(connection)
                await require_schema(connection)
                await view.require_alone()
            await view.look()
            yield view

    @asynccontextmanager
    async def destination(self) -> AsyncIterator["PostgresDestination"]:
        """See `Copyable`."""
        async with self._connected("DEST") as connection:
            yield PostgresDestination(connection)

    @asynccontextmanager
    async def _connected(self, name: str) -> AsyncIterator[Connection]:
        with _named(name):
            # Whatever the other store takes its time for, this one waits.
            connection = await connect(
                self._url, application_name="msgstate copy", idle_in_transaction_session_timeout="0"
            )
        try:
            yield connection
        finally:
            connection.terminate()


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Say which of the two it is."""
    try:
        yield
    except StoreUnusable as error:
        text = str(error).removeprefix(f"{name}: ").removeprefix("store: ")
        raise StoreUnusable(f"{name}: {text}") from error


class _PostgresView:
    """See `View`."""

    name: str

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @contextmanager
    def reporting_errors(self) -> Iterator[None]:
        """See `View`."""
        with _named(self.name):
            try:
                yield
            except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
                raise StoreUnusable(str(error)) from error

    async def require_alone(self) -> None:
        """Refuse a database that another msgstate is connected to, as far as this user is shown others."""
        deadline = asyncio.get_running_loop().time() + _OTHERS_SECONDS
        while found := await self._connection.fetchrow(_SQL["others"]):
            if asyncio.get_running_loop().time() > deadline:
                what = "another copy" if found[0] == "msgstate copy" else "a server or another command"
                raise StoreUnusable(f"{what} of msgstate is connected to the database (from {found[1]}): stop it first")
            await asyncio.sleep(_OTHERS_PAUSE)

    async def standing(self) -> Standing:
        """See `View`."""
        with self.reporting_errors():
            return Standing(
                await read_head(self._connection),
                await self._connection.fetchval(SQL["read_hash_key"]),
                *await self._connection.fetchrow(_SQL["last_ids"]),
            )

    async def count(self, table: Table) -> int:
        """See `View`."""
        with self.reporting_errors():
            return int(await self._connection.fetchval(table.expand(_SQL["count"])))

    async def read(self, table: Table, after: Key, limit: int) -> list[Row]:
        """See `View`."""
        places = ", ".join(f"${place}" for place in range(3, 3 + table.keys))
        long = f"octet_length({table.long})" if table.long else "0"
        statement = table.expand(_SQL["read"]).replace(":after", places).replace(":long", long)
        with self.reporting_errors():
            return [tuple(row) for row in await self._connection.fetch(statement, limit, BATCH_BYTES, *after)]

    async def audit(self) -> PostgresAudit:
        """See `View`."""
        with self.reporting_errors():
            return PostgresAudit(
                self._connection, await read_head(self._connection), await read_hashes(self._connection)
            )


class PostgresSource(_PostgresView):
    """See `Source`."""

    name = "SOURCE"
    _transaction: Any = None

    async def look(self) -> None:
        """Begin the transaction that all is read in."""
        with self.reporting_errors():
            self._transaction = self._connection.transaction(isolation="repeatable_read", readonly=True)
            await self._transaction.start()

    async def look_again(self) -> None:
        """See `Source`."""
        with self.reporting_errors():
            await self._transaction.rollback()
        await self.look()


class PostgresDestination(_PostgresView):
    """See `Destination`."""

    name = "DEST"

    async def contents(self) -> Contents | None:
        """See `Destination`."""
        with self.reporting_errors():
            if await is_incomplete_copy(self._connection):
                marker = Marker(*await self._connection.fetchrow(_SQL["read_marker"]))
                return Contents(marker.log_id, 0, is_empty=False, marker=marker)
            if not await self._connection.fetchval(_SQL["is_store"]):
                return None
            found = await self._connection.fetchrow(_SQL["contents"])
            if found is None:
                raise StoreUnusable("its head is gone: name an empty database")
            return Contents(found["log_id"], found["position"], found["is_empty"], marker=None)

    async def begin(self, standing: Standing) -> None:
        """See `Destination`."""
        await self.go_on()
        with self.reporting_errors():
            async with self._connection.transaction():
                await self._connection.execute(_SQL["lock"])
                contents = await self.contents()
                if contents is None or not (contents.is_empty or contents.marker):
                    raise StoreUnusable("the database was written to meanwhile: name an empty one")
                await self._connection.execute(_SQL["make_marker"])
                await self._connection.execute(_SQL["clear"])
                await self._connection.execute(_SQL["write_marker"], standing.head.log_id, standing.encode())

    async def go_on(self) -> None:
        """See `Destination`."""
        with self.reporting_errors():
            await self.require_alone()
            await migrate(self._connection)

    async def last_key(self, table: Table) -> Key:
        """See `Destination`."""
        with self.reporting_errors():
            found = await self._connection.fetchrow(table.expand(_SQL["last_key"]))
            return table.beginning if found is None else tuple(found)

    async def write(self, table: Table, rows: Sequence[Row]) -> None:
        """See `Destination`."""
        with self.reporting_errors():
            await self._connection.copy_records_to_table(table.name, records=rows, columns=table.columns)

    async def write_standing(self, standing: Standing) -> None:
        """See `Destination`."""
        head = standing.head
        floor = (head.floor, head.floor_fingerprint, head.floor_time)
        row = (head.log_id, head.position, head.commit_time, *floor, standing.hash_key)
        ids = (standing.last_status, standing.last_payload, standing.last_quarantined)
        with self.reporting_errors():
            async with self._connection.transaction():
                await self._connection.execute(_SQL["clear_head"])
                await self._connection.execute(_SQL["write_head"], *row)
                await self._connection.execute(_SQL["write_sequences"], *ids)
            # What was loaded at once has no statistics yet.
            await self._connection.execute("ANALYZE")

    async def give_up(self) -> None:
        """See `Destination`."""
        with self.reporting_errors():
            await self._connection.execute(_SQL["give_up"])

    async def finish(self) -> None:
        """See `Destination`."""
        with self.reporting_errors():
            await self._connection.execute(_SQL["drop_marker"])
