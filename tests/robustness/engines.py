"""The databases that campaigns run on: a file for one server, or a PostgreSQL with a standby that several share."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Protocol
from uuid import uuid4

from tests.postgres.pair import Pair
from tests.robustness.model import Periods
from tests.robustness.tables import PostgresTables, SqliteTables, Tables

SQLITE: Final = "sqlite"
POSTGRES: Final = "postgres"
_SECOND: Final = 1_000_000


class Database(Protocol):
    """What servers keep their log in."""

    name: str
    """Of the engine."""
    replicas: int
    """How many servers run on it."""
    periods: Periods
    """How long they keep what, as they are told."""
    tables: Tables

    @property
    def servers(self) -> Pair:
        """What it is on, where it is no file."""
        ...

    @property
    def url(self) -> str:
        """What `msgstate check` is given."""
        ...

    @property
    def addresses(self) -> Sequence[str]:
        """Where it listens, or would if it took writes; none where it is a file."""
        ...

    def url_at(self, addresses: Sequence[str]) -> str:
        """What a server is given that reaches it there."""
        ...

    def end_backends(self, chosen: random.Random) -> int:
        """End some of the servers' connections, chosen at random; gives how many."""
        ...

    def log(self) -> str:
        """What it wrote itself."""
        ...


class SqliteFile:
    """One file, on which one server runs."""

    name = SQLITE
    replicas = 1
    # What tests take for long.
    periods = Periods(2 * _SECOND, 4 * _SECOND)
    addresses = ()

    def __init__(self, folder: Path) -> None:
        """Name the file; the server makes it."""
        file = folder / "msgstate.db"
        self.url = f"sqlite:///{file}"
        self.tables: Tables = SqliteTables(file)

    @property
    def servers(self) -> Pair:
        """See `Database`."""
        raise NotImplementedError

    def url_at(self, addresses: Sequence[str]) -> str:
        """See `Database`."""
        return self.url

    def end_backends(self, chosen: random.Random) -> int:
        """See `Database`."""
        raise NotImplementedError

    def log(self) -> str:
        """See `Database`."""
        return ""


class PostgresDatabase:
    """A new database of a PostgreSQL server, with a synchronous standby, that no other campaign uses."""

    name = POSTGRES
    replicas = 3
    # A commit time is taken before the head is waited for, which a frozen replica may hold for seconds: an event is to
    # be seen before it has been silent for long.
    periods = Periods(6 * _SECOND, 10 * _SECOND)

    def __init__(self, servers: Pair) -> None:
        """Make the database; the servers run."""
        self.servers = servers
        self._name = f"msgstate_{uuid4().hex}"
        servers.primary.create_database(self._name)
        servers.primary.disconnect()
        self._tables = PostgresTables(lambda: self.url)
        self.tables: Tables = self._tables

    @property
    def url(self) -> str:
        """See `Database`."""
        return self.servers.primary.dsn(self._name)

    @property
    def addresses(self) -> Sequence[str]:
        """See `Database`."""
        return self.servers.addresses

    def url_at(self, addresses: Sequence[str]) -> str:
        """See `Database`."""
        return f"postgresql://postgres@{','.join(addresses)}/{self._name}"

    def end_backends(self, chosen: random.Random) -> int:
        """See `Database`."""
        backends = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'msgstate%' ORDER BY pid"
        pids = [row["pid"] for row in self.servers.primary.query(backends)]
        ended = chosen.sample(pids, chosen.randint(min(1, len(pids)), len(pids)))
        gone = self.servers.primary.query(
            "SELECT pg_terminate_backend(pid) AS is_gone FROM unnest($1::integer[]) AS pid", ended
        )
        return sum(row["is_gone"] for row in gone)

    def log(self) -> str:
        """See `Database`."""
        return self.servers.log()

    def close(self) -> None:
        """Keep no connection."""
        self._tables.close()


@asynccontextmanager
async def opened(engine: str, folder: Path) -> AsyncIterator[Database]:
    """A new database of this engine, in the folder if it is a file; gone with the block where it is not."""
    if engine == SQLITE:
        yield SqliteFile(folder)
        return
    pair = Pair()
    try:
        await asyncio.to_thread(pair.start)
        database = await asyncio.to_thread(PostgresDatabase, pair)
        yield database
        await asyncio.to_thread(database.close)
    finally:
        await asyncio.to_thread(pair.close)
