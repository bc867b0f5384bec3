from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from msgstate_server.store.check import Finding, Summary, check
from msgstate_server.store.protocol import Store
from tests.builders import Clock
from tests.engines import ENGINES, Engine, engine_of


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    yield from engine_of(request)


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Place:
    """One store that can be closed and opened again; `store` is the one that is open."""

    store: Store

    def __init__(self, engine: Engine, folder: Path, clock: Clock) -> None:
        self.engine, self.folder, self.clock = engine, folder, clock

    async def open(self) -> Store:
        self.store = await self.engine.open(self.folder, self.clock)
        return self.store

    async def reopen(self) -> Store:
        await self.store.close()
        return await self.open()

    async def findings(self) -> list[Finding]:
        async with self.engine.auditor(self.folder).audit() as audit:
            return [finding async for finding in check(audit, Summary())]


@pytest.fixture
async def place(engine: Engine, tmp_path: Path, clock: Clock) -> AsyncIterator[Place]:
    """A new store, open; whatever a test did to it, it agrees with itself at the end."""
    place = Place(engine, tmp_path, clock)
    await place.open()
    try:
        yield place
        findings = await place.findings()
    finally:
        await place.store.close()
    assert findings == []


@pytest.fixture
def store(place: Place) -> Store:
    return place.store
