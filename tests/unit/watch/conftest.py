import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from itertools import pairwise
from typing import Any, NamedTuple

import pytest

from msgstate_server.domain.log import LogEntry
from msgstate_server.store.protocol import Store
from msgstate_server.watch import Batch, Watches, WatchRequest
from msgstate_server.watch.filter import Filter
from msgstate_server.watch.start import Start, StartPoint
from msgstate_server.watch.token import Token

LONG = 60.0
"""A silence that no test waits for."""


@pytest.fixture(autouse=True)
def no_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Match whole pages, however long the collector takes meanwhile: a test of steps sets their length itself."""
    monkeypatch.setattr("msgstate_server.watch.tail._STEP_SECONDS", math.inf)


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


class Told(NamedTuple):
    """One response as these tests read it: its entries are their positions."""

    entries: list[int]
    token: Token
    live: bool
    head_position: int


class PlainWire:
    """Writes an entry as its position and so many spaces; counts what it wrote."""

    def __init__(self, spaces: int = 1) -> None:
        self.space = b" " * spaces
        self.items: list[int] = []
        self.responses = 0

    def item(self, entry: LogEntry) -> bytes:
        self.items.append(entry.position)
        return b"%d%b" % (entry.position, self.space)

    def response(self, items: Sequence[bytes], token: Token, live: bool, head_position: int) -> bytes:
        self.responses += 1
        return b"".join(items) + b"|%b %d %d" % (token.encode().encode(), live, head_position)


PLAIN = PlainWire()


def told(batch: Batch) -> Told:
    """Read a response, which agrees with what the watch says of it."""
    entries, _, rest = batch.data.partition(b"|")
    token, live, head_position = rest.split()
    read = Told(list(map(int, entries.split())), Token.decode(token.decode()), live == b"1", int(head_position))
    assert (len(read.entries), read.token, read.live) == (batch.entries, batch.token, batch.live)
    return read


def request(
    start: Start = StartPoint.EARLIEST,
    wanted: Filter = Filter(),  # noqa: B008  (it is immutable)
    checkpoint_seconds: float = LONG,
    max_batch: int = 1_000,
    wire: PlainWire = PLAIN,
) -> WatchRequest:
    """What a watcher asks for: all there is, from the beginning, in large batches."""
    return WatchRequest(start, wanted, wire, checkpoint_seconds, max_batch)


@asynccontextmanager
async def opened(watches: Watches, asked: WatchRequest) -> AsyncIterator[AsyncIterator[Told]]:
    """A watch, closed at the end."""
    async with aclosing(watches.watch(asked)) as stream:
        yield (told(batch) async for batch in stream)


async def read_to(watches: Watches, asked: WatchRequest, position: int) -> list[Told]:
    """The batches of a watch until one covers a position."""
    batches: list[Told] = []
    async with asyncio.timeout(30), opened(watches, asked) as stream:
        async for batch in stream:
            batches.append(batch)
            if batch.token.position >= position:
                break
    assert_sound(batches)
    return batches


async def take(watches: Watches, asked: WatchRequest, count: int) -> list[Told]:
    """The first batches of a watch."""
    batches: list[Told] = []
    async with asyncio.timeout(30), opened(watches, asked) as stream:
        async for batch in stream:
            batches.append(batch)
            if len(batches) == count:
                break
    assert_sound(batches)
    return batches


def assert_sound(batches: list[Told]) -> None:
    """What holds for every watch: the first says where it starts, entries rise, each within its own batch's token."""
    assert batches[0].entries == []
    covered = batches[0].token.position
    for batch in batches[1:]:
        places = [covered, *batch.entries]
        assert all(earlier < later for earlier, later in pairwise(places))
        assert batch.token.position >= places[-1]
        assert batch.head_position >= batch.token.position
        covered = batch.token.position


def read(batches: list[Told]) -> list[int]:
    """The positions of all entries."""
    return [position for batch in batches for position in batch.entries]
