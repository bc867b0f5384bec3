import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from msgstate_server.domain.decision import Outcome, Submission
from msgstate_server.ingest import Ingest
from msgstate_server.store.sqlite import SqliteStore
from tests.builders import Clock


class CountingStore(SqliteStore):
    """The real store, with a door before `append`: counts what goes through, and can be shut or made to fail."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, Clock())
        self.groups: list[int] = []
        self.failure: Exception | None = None
        self.fails_on = ""
        self.door = asyncio.Event()
        self.door.set()
        self.waiting = asyncio.Event()

    async def append(self, submissions: Sequence[Submission]) -> list[list[Outcome]]:
        """Wait for the door, then fail where that was asked for, or append."""
        self.groups.append(len(submissions))
        self.waiting.set()
        await self.door.wait()
        if self.failure and self._is_to_fail(submissions):
            raise self.failure
        return await super().append(submissions)

    def _is_to_fail(self, submissions: Sequence[Submission]) -> bool:
        ids = [each.event.message_id for submission in submissions for each in submission.candidates]
        return not self.fails_on or self.fails_on in ids


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[CountingStore]:
    store = CountingStore(tmp_path / "msgstate.db")
    yield store
    await store.close()


@asynccontextmanager
async def running(store: CountingStore, **bounds: Any) -> AsyncIterator[Ingest]:
    """An intake at work, drained at the end."""
    ingest = Ingest(store, **bounds)
    task = asyncio.create_task(ingest.run())
    try:
        yield ingest
    finally:
        store.door.set()
        ingest.drain()
        async with asyncio.timeout(10):
            await task
