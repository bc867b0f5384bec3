"""The engines that the contract suite holds to the same promises: to add one is to add a line to `ENGINES`."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import asyncpg

from msgstate_server.store.postgres import PostgresAuditor, PostgresStore
from msgstate_server.store.protocol import Auditable, Store
from msgstate_server.store.sqlite import SqliteAuditor, SqliteStore


class Engine(Protocol):
    """How the suite opens a store: the same folder names the same store, and another folder another one."""

    async def open(self, folder: Path, clock: Callable[[], int]) -> Store:
        """Open the folder's store, made new where there is none."""
        ...

    def auditor(self, folder: Path) -> Auditable:
        """The folder's store, to be checked beside one that is open or without."""
        ...

    async def remove(self, folder: Path) -> None:
        """Remove what the folder itself does not hold."""
        ...


class SqliteEngine:
    """One file in the folder."""

    async def open(self, folder: Path, clock: Callable[[], int]) -> Store:
        """See `Engine`."""
        return await SqliteStore.open(folder / "msgstate.db", clock)

    def auditor(self, folder: Path) -> Auditable:
        """See `Engine`."""
        return SqliteAuditor(folder / "msgstate.db")

    async def remove(self, folder: Path) -> None:
        """See `Engine`."""


class PostgresEngine:
    """One database of a server, its name in the folder."""

    async def open(self, folder: Path, clock: Callable[[], int]) -> Store:
        """See `Engine`."""
        name = folder / "database"
        if not name.exists():
            name.write_text(f"t{uuid4().hex}")
            c = await asyncpg.connect(os.environ["PGDSN"] + "/postgres")
            await c.execute(f"CREATE DATABASE {name.read_text()}")
            await c.close()
        return await PostgresStore.open(self._url(folder), clock)

    def _url(self, folder: Path) -> str:
        return os.environ["PGDSN"] + "/" + (folder / "database").read_text()

    def auditor(self, folder: Path) -> Auditable:
        """See `Engine`."""
        return PostgresAuditor(self._url(folder))

    async def remove(self, folder: Path) -> None:
        """See `Engine`."""
        c = await asyncpg.connect(os.environ["PGDSN"] + "/postgres")
        await c.execute(f"DROP DATABASE {(folder / 'database').read_text()} WITH (FORCE)")
        await c.close()


ENGINES: dict[str, Engine] = {"sqlite": SqliteEngine(), "postgres": PostgresEngine()}
