"""The engines that the contract suite holds to the same promises: to add one is to add a line to `ENGINES`."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

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


class SqliteEngine:
    """One file in the folder."""

    async def open(self, folder: Path, clock: Callable[[], int]) -> Store:
        """See `Engine`."""
        return await SqliteStore.open(folder / "msgstate.db", clock)

    def auditor(self, folder: Path) -> Auditable:
        """See `Engine`."""
        return SqliteAuditor(folder / "msgstate.db")


ENGINES: dict[str, Engine] = {"sqlite": SqliteEngine()}
