import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from msgstate_server.domain.log import LogEntry
from msgstate_server.store.protocol import Store
from msgstate_server.store.sqlite import SqliteStore
from msgstate_server.watch import Batch, Watches, WatchRequest
from msgstate_server.watch.filter import Predicate
from msgstate_server.watch.start import Start, StartPoint
from tests.builders import Clock, positions

LONG = 60.0
"""A silence that no test waits for."""


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(tmp_path: Path, clock: Clock) -> AsyncIterator[SqliteStore]:
    store = await SqliteStore.open(tmp_path / "msgstate.db", clock)
    yield store
    await store.close()


@asynccontextmanager
async def running(store: Store, **bounds: Any) -> AsyncIterator[Watches]:
    """Watches that follow the store's head."""
    watches = Watches(store, **bounds)
    task = asyncio.create_task(watches.run())
    try:
        yield watches
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def anything(_: LogEntry) -> bool:
    """The filter that matches all."""
    return True


def request(
    start: Start = StartPoint.EARLIEST,
    wanted: Predicate = anything,
    checkpoint_seconds: float = LONG,
    max_batch: int = 1_000,
) -> WatchRequest:
    """What a watcher asks for: all there is, from the beginning, in large batches."""
    return WatchRequest(start, wanted, checkpoint_seconds, max_batch)


@asynccontextmanager
async def opened(watches: Watches, asked: WatchRequest) -> AsyncIterator[AsyncIterator[Batch]]:
    """A watch, closed at the end."""
    async with aclosing(watches.watch(asked)) as stream:
        yield stream


async def read_to(watches: Watches, asked: WatchRequest, position: int) -> list[Batch]:
    """The batches of a watch until one covers a position."""
    batches: list[Batch] = []
    async with asyncio.timeout(30), opened(watches, asked) as stream:
        async for batch in stream:
            batches.append(batch)
            if batch.token.position >= position:
                break
    assert_sound(batches)
    return batches


async def take(watches: Watches, asked: WatchRequest, count: int) -> list[Batch]:
    """The first batches of a watch."""
    batches: list[Batch] = []
    async with asyncio.timeout(30), opened(watches, asked) as stream:
        async for batch in stream:
            batches.append(batch)
            if len(batches) == count:
                break
    assert_sound(batches)
    return batches


def assert_sound(batches: list[Batch]) -> None:
    """What holds for every watch: the first says where it starts, entries rise, each within its own batch's token."""
    assert batches[0].entries == []
    covered = batches[0].token.position
    for batch in batches[1:]:
        places = [covered, *positions(batch.entries)]
        assert all(earlier < later for earlier, later in pairwise(places))
        assert batch.token.position >= places[-1]
        assert batch.head_position >= batch.token.position
        covered = batch.token.position


def read(batches: list[Batch]) -> list[int]:
    """The positions of all entries."""
    return [position for batch in batches for position in positions(batch.entries)]
