"""A msgstate database as who keeps it sees it: how it is, and its schema brought up to date without serving it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from msgstate_server.domain.errors import StoreUnusable
from msgstate_server.store.postgres.connection import Connection, connect, is_away
from msgstate_server.store.postgres.migrations import MIGRATIONS, is_post, migrate, pending
from msgstate_server.store.postgres.places import read_head
from msgstate_server.store.upkeep import Condition


class PostgresUpkeep:
    """See `Maintainable`."""

    def __init__(self, url: str) -> None:
        """Name the database, which must be there; its schema need not."""
        self._url = url

    def condition(self) -> Condition:
        """How the database is."""
        return asyncio.run(self._condition())

    async def _condition(self) -> Condition:
        async with self._connected() as connection:
            missing = await pending(connection, MIGRATIONS)
            later = [name for name in missing if is_post(name)]
            return Condition(
                exists=len(missing) < len(MIGRATIONS),
                pending=missing,
                server="",
                folder=None,
                commit_time=0 if missing != later else (await read_head(connection)).commit_time,
                later=later,
            )

    def migrate(self, *, post: bool = False) -> list[str]:
        """Bring the schema up to date, beside servers that run."""
        return asyncio.run(self._migrate(post))

    async def _migrate(self, post: bool) -> list[str]:
        async with self._connected() as connection:
            return await migrate(connection, post=post, known=MIGRATIONS)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Connection]:
        connection = await connect(self._url)
        try:
            yield connection
        except Exception as error:
            if not is_away(error):
                raise
            raise StoreUnusable(f"store: {error}") from error
        finally:
            connection.terminate()
