"""A msgstate database as who keeps it sees it: how it is, and its schema brought up to date without serving it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from msgstate_server.store.postgres.connection import Connection, connect, required
from msgstate_server.store.postgres.incomplete_copy import require_finished
from msgstate_server.store.postgres.log_positions import read_head
from msgstate_server.store.postgres.migrations import MIGRATIONS, is_optional, migrate, pending
from msgstate_server.store.postgres.queries import SQL
from msgstate_server.store.upkeep import Condition

_LOCAL: Final = ("off", "local")
"""Values of `synchronous_commit` that msgstate never leaves on a connection of its own."""
_RISKS: Final = {
    "fsync": "a crash of its machine can destroy the database: set fsync = on",
    "full_page_writes": "a crash of its machine can destroy the database, but on disks that never write half a page: "
    "set full_page_writes = on",
}


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
            later = [name for name in missing if is_optional(name)]
            return Condition(
                exists=len(missing) < len(MIGRATIONS),
                pending=missing,
                server="",
                folder=None,
                commit_time=0 if missing != later else (await read_head(connection)).commit_time,
                later=later,
                engine=_engine(connection),
                risks=_risks(dict(await connection.fetch(SQL["read_settings"]))),
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
            with required():
                await require_finished(connection)
                yield connection
        finally:
            connection.terminate()


def _engine(connection: Connection) -> str:
    # Behind the version stands who built it.
    version: str = connection.get_settings().server_version
    return f"PostgreSQL {version.partition(' ')[0]}"


def _risks(settings: Mapping[str, str]) -> list[tuple[str, str]]:
    """What of them can lose what was acknowledged, and the mend."""
    found = [(f"{name} is off", mend) for name, mend in _RISKS.items() if settings[name] == "off"]
    commit = settings["synchronous_commit"]
    if commit in _LOCAL:
        mend = (
            "nothing for msgstate, which sets it to on for itself; whoever writes beside it can lose commits in a crash"
        )
        found.append((f"synchronous_commit is {commit} by default", mend))
    elif commit == "remote_write":
        mend = "set it to on: a standby that takes over after a crash of both machines can lack what was acknowledged"
        found.append((f"synchronous_commit is {commit} by default", mend))
    return found
