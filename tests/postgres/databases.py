import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import asyncpg

CONNECT_SECONDS: Final = 30.0
QUERY_SECONDS: Final = 60.0

Value = TypeVar("Value")


def wait_for(work: Coroutine[Any, Any, Value]) -> Value:
    """Run it to its end in a loop of another thread, so that a test that is itself a coroutine can call it."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


class Databases:
    """The databases of a PostgreSQL server that runs; every call connects anew and waits."""

    def __init__(self, dsn: str) -> None:
        self._address = urlsplit(dsn)

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
        self.query(f"CREATE DATABASE {quoted(name)}{source}")
        return self.dsn(name)

    def drop_database(self, name: str) -> None:
        """Remove a database, and cut whoever is connected to it."""
        self.query(f"DROP DATABASE IF EXISTS {quoted(name)} WITH (FORCE)")


async def _query(dsn: str, sql: str, values: tuple[object, ...]) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(dsn, timeout=CONNECT_SECONDS, command_timeout=QUERY_SECONDS)
    try:
        return await connection.fetch(sql, *values)
    finally:
        await connection.close()
