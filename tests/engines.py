"""The engines that tests hold to the same promises: to add one is to add a line to `ENGINES`."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from uuid import uuid4

import pytest

from msgstate_server.store.postgres import PostgresAuditor, PostgresStore
from msgstate_server.store.protocol import Auditable, Store
from msgstate_server.store.sqlite import SqliteAuditor, SqliteStore

if TYPE_CHECKING:
    from tests.postgres.databases import Databases


class Engine(Protocol):
    """How tests open a store: the same folder names the same store, and another folder another one."""

    def url(self, folder: Path) -> str:
        """The URL of the folder's store; where there is none yet, there is room for one from now on."""
        ...

    async def open(self, folder: Path, clock: Callable[[], int]) -> Store:
        """Open the folder's store, made new where there is none."""
        ...

    def auditor(self, folder: Path) -> Auditable:
        """The folder's store, to be checked beside one that is open or without."""
        ...

    def remove(self) -> None:
        """Remove what no folder holds."""
        ...


class SqliteEngine:
    """One file in the folder."""

    def url(self, folder: Path) -> str:
        """See `Engine`."""
        return f"sqlite:///{self._file(folder)}"

    def _file(self, folder: Path) -> Path:
        return folder / "msgstate.db"

    async def open(self, folder: Path, clock: Callable[[], int]) -> Store:
        """See `Engine`."""
        return await SqliteStore.open(self._file(folder), clock)

    def auditor(self, folder: Path) -> Auditable:
        """See `Engine`."""
        return SqliteAuditor(self._file(folder))

    def remove(self) -> None:
        """See `Engine`."""


class PostgresEngine:
    """A database for each folder."""

    def __init__(self, server: "Databases") -> None:
        self._server = server
        self._names: dict[Path, str] = {}

    def url(self, folder: Path) -> str:
        """See `Engine`."""
        if folder not in self._names:
            self._names[folder] = f"msgstate_{uuid4().hex}"
            self._server.create_database(self._names[folder])
        return self._server.dsn(self._names[folder])

    async def open(self, folder: Path, clock: Callable[[], int]) -> Store:
        """See `Engine`."""
        return await PostgresStore.open(self.url(folder), clock)

    def auditor(self, folder: Path) -> Auditable:
        """See `Engine`."""
        return PostgresAuditor(self.url(folder))

    def remove(self) -> None:
        """See `Engine`."""
        while self._names:
            self._server.drop_database(self._names.popitem()[1])


def _sqlite(_: pytest.FixtureRequest) -> Engine:
    return SqliteEngine()


def _postgres(request: pytest.FixtureRequest) -> Engine:
    return PostgresEngine(request.getfixturevalue("postgres"))


ENGINES: dict[str, Callable[[pytest.FixtureRequest], Engine]] = {"sqlite": _sqlite, "postgres": _postgres}
"""By name: what tests are parametrized with, and what `engine_of` makes of it."""


def engine_of(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """The body of a fixture whose parameters are `ENGINES`: one engine, without what it made in the end."""
    engine = ENGINES[request.param](request)
    yield engine
    engine.remove()
