from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from msgstate_server.store.sqlite import SqliteStore
from tests.builders import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(tmp_path: Path, clock: Clock) -> AsyncIterator[SqliteStore]:
    """An empty one on the clock."""
    store = await SqliteStore.open(tmp_path / "msgstate.db", clock)
    yield store
    await store.close()
