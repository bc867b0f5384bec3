import asyncio
from collections.abc import Coroutine
from functools import cache, cached_property
from threading import Thread
from typing import Any, Final, TypeAlias, TypeVar
from urllib.parse import urlsplit

import asyncpg

CONNECT_SECONDS: Final = 30.0
QUERY_SECONDS: Final = 60.0

Value = TypeVar("Value")
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    Thread(target=loop.run_forever, name="postgres", daemon=True).start()
    return loop


def wait_for(work: Coroutine[Any, Any, Value]) -> Value:
    """Run it to its end in another thread's loop, so that a test that is itself a coroutine can call it."""
    return asyncio.run_coroutine_threadsafe(work, _loop()).result()


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


class Databases:
    """The databases of a PostgreSQL server that runs; every call waits until it is done.

    A query connects anew. What makes and drops databases keeps its connection until `disconnect`: half the time.
    """

    def __init__(self, dsn: str) -> None:
        self._address = urlsplit(dsn)
        self._kept: Connection | None = None

    @cached_property
    def version(self) -> tuple[int, int]:
        """The server's version, such as (15, 8)."""
        major, minor = divmod(int(self.query("SHOW server_version_num")[0][0]), 10_000)
        return major, minor

    def dsn(self, database: str | None = None) -> str:
        """Where to connect to: the database, or the one that is there from the start."""
        path = self._address.path if database is None else f"/{database}"
        return self._address._replace(path=path).geturl()

    def query(self, sql: str, *values: object, database: str | None = None) -> list[asyncpg.Record]:
        """What one statement gives, in a transaction of its own where it admits one."""
        return wait_for(_query(self.dsn(database), sql, values))

    def create_database(self, name: str, template: str | None = None) -> str:
        """Make a database, empty or as the template is, and give its DSN; nobody may be connected to the template."""
        source = "" if template is None else f" TEMPLATE {quoted(template)}"
        wait_for(self._execute(f"CREATE DATABASE {quoted(name)}{source}"))
        return self.dsn(name)

    def drop_database(self, name: str) -> None:
        """Remove a database, and cut whoever is connected to it."""
        wait_for(self._execute(f"DROP DATABASE IF EXISTS {quoted(name)} WITH (FORCE)"))

    def disconnect(self) -> None:
        """Keep no connection; the next call that needs one connects again."""
        wait_for(self._disconnect())

    async def _execute(self, sql: str) -> None:
        if self._kept is None or self._kept.is_closed():
            self._kept = await _connect(self.dsn())
        await self._kept.execute(sql)

    async def _disconnect(self) -> None:
        if self._kept is not None:
            self._kept.terminate()
        self._kept = None


async def _connect(dsn: str) -> Connection:
    return await asyncpg.connect(dsn, timeout=CONNECT_SECONDS, command_timeout=QUERY_SECONDS)


async def _query(dsn: str, sql: str, values: tuple[object, ...]) -> list[asyncpg.Record]:
    connection = await _connect(dsn)
    try:
        return await connection.fetch(sql, *values)
    finally:
        await connection.close()
