"""Watches of a log whose standby took over: each goes on where its own place still holds, and else is told."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, cast

import pytest

from msgstate_server.domain.errors import HistoryDiverged
from msgstate_server.domain.log import Head
from msgstate_server.store.protocol import Store
from msgstate_server.store.sqlite import SqliteStore
from msgstate_server.watch.filter import Filter
from msgstate_server.watch.start import StartPoint
from tests.builders import NOW, SECOND, Clock, append, numbered
from tests.unit.watch.conftest import Told, opened, read, read_to, request, running

NOW_ON = StartPoint.NOW
COPIED = 10
"""Where the standby stood when it took over."""


class TakenOver:
    """One database to whoever asks: first the primary, then the standby, which knows less."""

    def __init__(self, primary: Store, standby: Store) -> None:
        self._asked, self._standby = primary, standby
        self._over = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._asked, name)

    def keep_head(self) -> None:
        """From now on show the head that was seen last, as a store does until it looks again."""
        self.head: Head = self._asked.head

    def take_over(self) -> None:
        """Let the standby answer."""
        self._asked = self._standby
        self._over.set()

    async def wait_for_head(self, beyond: int) -> Head:
        """Whoever waits hears that the head is another."""
        if self._over.is_set():
            return await self._standby.wait_for_head(beyond)
        moved = asyncio.ensure_future(self._asked.wait_for_head(beyond))
        over = asyncio.ensure_future(self._over.wait())
        await asyncio.wait([moved, over], return_when=asyncio.FIRST_COMPLETED)
        if over.done():
            moved.cancel()
            raise HistoryDiverged("the log lost its end")
        over.cancel()
        return await moved


class Pair:
    """A primary and its standby, both open, and what watches see of them."""

    def __init__(self, primary: SqliteStore, standby: SqliteStore) -> None:
        self.primary, self.standby = primary, standby
        self.seen = TakenOver(primary, standby)

    @property
    def store(self) -> Store:
        """What watches read."""
        return cast("Store", self.seen)


@pytest.fixture
async def pair(tmp_path: Path, clock: Clock) -> AsyncIterator[Pair]:
    """Both hold the same ten rows."""
    first, second = tmp_path / "primary.db", tmp_path / "standby.db"
    store = await SqliteStore.open(first, clock)
    await append(store, *numbered(COPIED))
    await store.close()
    shutil.copy(first, second)
    async with AsyncExitStack() as opening:
        stores = [await SqliteStore.open(file, clock) for file in (first, second)]
        for each in stores:
            opening.push_async_callback(each.close)
        yield Pair(*stores)


async def next_batch(stream: AsyncIterator[Told]) -> Told:
    async with asyncio.timeout(30):
        return await anext(stream)


async def everything(stream: AsyncIterator[Told]) -> None:
    """What is told until the end."""
    while True:
        await next_batch(stream)


async def test_what_lost_nothing_goes_on(pair: Pair) -> None:
    """A live watch whose place the standby has misses nothing and hears of nothing."""
    async with (
        running(pair.store, retry_seconds=0.01) as watches,
        opened(watches, request(NOW_ON)) as all_events,
        opened(watches, request(NOW_ON, Filter(message_ids=frozenset({"m12"})))) as narrow,
    ):
        assert (await next_batch(all_events)).live
        assert (await next_batch(narrow)).live
        waiting = [asyncio.ensure_future(next_batch(stream)) for stream in (all_events, narrow)]
        await asyncio.sleep(0)
        pair.seen.take_over()
        await append(pair.standby, *numbered(5, first=COPIED))
        told, of_one = await asyncio.gather(*waiting)
        batches = [told]
        while batches[-1].token.position < COPIED + 5:
            batches.append(await next_batch(all_events))
    assert read(batches) == list(range(COPIED + 1, COPIED + 6))
    assert of_one.entries == [COPIED + 3]


@pytest.mark.parametrize("grown", [0, 2, 3, 20])
@pytest.mark.parametrize("window", [1, 2_048])
async def test_what_lost_rows_is_told(pair: Pair, clock: Clock, grown: int, window: int) -> None:
    """A live watch that had what the standby lost hears of it, however far the log has grown again."""
    async with running(pair.store, window=window) as watches, opened(watches, request(NOW_ON)) as stream:
        assert (await next_batch(stream)).live
        await append(pair.primary, *numbered(3, first=COPIED))
        told = await next_batch(stream)
        while told.token.position < COPIED + 3:
            told = await next_batch(stream)
        clock.now = NOW + SECOND
        if grown:
            await append(pair.standby, *numbered(grown, first=100))
        waiting = asyncio.ensure_future(next_batch(stream))
        await asyncio.sleep(0)
        pair.seen.take_over()
        with pytest.raises(HistoryDiverged):
            await waiting
        assert len(read(await read_to(watches, request(), COPIED + grown))) == COPIED + grown


async def test_who_catches_up_is_told(pair: Pair, clock: Clock) -> None:
    """A watch between two pages never goes on behind a row that is another one now."""
    await append(pair.primary, *numbered(30, first=COPIED))
    clock.now = NOW + SECOND
    await append(pair.standby, *numbered(40, first=100))
    async with running(pair.store, window=1, page=5) as watches, opened(watches, request(max_batch=5)) as stream:
        told = await next_batch(stream)
        while told.token.position < COPIED + 5:
            told = await next_batch(stream)
        pair.seen.take_over()
        with pytest.raises(HistoryDiverged):
            await everything(stream)


async def test_who_comes_to_the_standbys_end_leaves_others_their_turn(pair: Pair) -> None:
    """A watch that finds nothing where the store still shows the primary's end lets the store look again."""
    await append(pair.primary, *numbered(5, first=COPIED))
    async with (
        running(pair.store, window=1, page=5) as watches,
        opened(watches, request(max_batch=5, checkpoint_seconds=5.0)) as stream,
    ):
        while (await next_batch(stream)).token.position < COPIED - 5:
            pass
        pair.seen.keep_head()
        pair.seen.take_over()
        while (await next_batch(stream)).token.position < COPIED:
            pass
        waiting = asyncio.ensure_future(next_batch(stream))
        await asyncio.sleep(0.05)
        await append(pair.standby, *numbered(5, first=COPIED))
        assert (await waiting).entries[0] == COPIED + 1
