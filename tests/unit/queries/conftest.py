from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from msgstate_server.store.sqlite import SqliteStore
from tests.builders import Clock


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = await SqliteStore.open(tmp_path / "msgstate.db", Clock())
    yield store
    await store.close()
