"""The window behind the head: who falls out of it goes on from the log, and who has nothing to get never does."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count, pairwise
from pathlib import Path

import pytest

from msgstate_server.domain.errors import PositionCompacted
from msgstate_server.domain.log import LogEntry
from msgstate_server.store.sqlite import SqliteStore
from msgstate_server.watch import Watches
from msgstate_server.watch.filter import Filter
from msgstate_server.watch.group import Group
from msgstate_server.watch.index import Index
from msgstate_server.watch.pages import Pages, Wanted
from msgstate_server.watch.start import StartPoint
from msgstate_server.watch.tail import WINDOW, Tail
from msgstate_server.watch.token import Token
from tests.builders import SECOND, Clock, append, event, numbered
from tests.unit.watch.conftest import PLAIN, PlainWire, Told, assert_sound, opened, read, request, running, told

NOW_ON = StartPoint.NOW
QUIET = Filter(providers=frozenset({"nobody"}))
RESPONSE_BYTES = 49_152


class CountingStore(SqliteStore):
    """The real store; says which reads of the log there were, can hold them up, and act as if it were compacted."""

    def __init__(self, path: Path, clock: Clock) -> None:
        super().__init__(path, clock)
        self.reads: list[tuple[int, int]] = []
        self.floor = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def read_log(self, after: int, limit: int, expected: bytes | None = None) -> list[LogEntry]:
        return await self._count(super().read_log, after, limit, expected)

    async def follow_log(self, after: int, limit: int, expected: bytes | None = None) -> list[LogEntry]:
        return await self._count(super().follow_log, after, limit, expected)

    async def _count(
        self,
        log: Callable[[int, int, bytes | None], Awaitable[list[LogEntry]]],
        after: int,
        limit: int,
        expected: bytes | None,
    ) -> list[LogEntry]:
        self.reads.append((after, limit))
        if after < self.floor:
            raise PositionCompacted(self.floor)
        entries = await log(after, limit, expected)
        await self.gate.wait()
        return entries


@pytest.fixture
async def counting(store: SqliteStore, clock: Clock) -> AsyncIterator[CountingStore]:
    """The store again, counting."""
    await store.close()
    counting = CountingStore(store.path, clock)
    yield counting
    await counting.close()


async def until(condition: Callable[[], bool]) -> None:
    """Return when something is so, soon."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


async def until_read(watches: Watches, position: int) -> None:
    """Return when the window reaches up to a position."""
    await until(lambda: watches._tail.token.position >= position)  # noqa: SLF001


async def test_one_that_overflows_goes_on_from_the_log(counting: CountingStore) -> None:
    """What a live reader did not take in time it gets from the log, CATCHING_UP; then the window serves it again."""
    async with running(counting, window=16) as watches, opened(watches, request(NOW_ON)) as stream:
        batches = [await anext(stream)]
        for first in range(0, 300, 10):
            await append(counting, *numbered(10, first=first))
        await until_read(watches, 300)
        assert len(watches._tail._slots) == 16  # noqa: SLF001
        counting.reads.clear()
        while batches[-1].token.position < 300:
            batches.append(await anext(stream))
        assert counting.reads == [(0, 128), (128, 256)]
        await append(counting, *numbered(1, first=300))
        batches.append(await anext(stream))
        assert counting.reads == [(0, 128), (128, 256), (300, 16)]
    assert_sound(batches)
    assert read(batches) == list(range(1, 302))
    assert [batch.live for batch in batches] == [True, False, True, True]


async def test_one_that_does_not_overflow_stays_with_the_window(counting: CountingStore) -> None:
    """A slow reader that is less than a window behind is served from there, and no one reads the log for it."""
    async with running(counting, window=64) as watches, opened(watches, request(NOW_ON, max_batch=20)) as stream:
        batches = [await anext(stream)]
        await append(counting, *numbered(64))
        await until_read(watches, 64)
        while batches[-1].token.position < 64:
            batches.append(await anext(stream))
    assert counting.reads == [(0, 64)]
    assert [batch.entries for batch in batches][1:] == [
        list(range(first, min(first + 20, 65))) for first in (1, 21, 41, 61)
    ]
    assert [batch.live for batch in batches] == [True, False, False, False, True]


async def test_an_idle_watch_never_overflows(counting: CountingStore) -> None:
    """However far the log moves, one that wants nothing of it needs not read it, and its checkpoint is the head's."""
    async with running(counting, window=4) as watches, opened(watches, request(NOW_ON, QUIET)) as stalled:
        first = await anext(stalled)
        async with opened(watches, request(NOW_ON, QUIET, checkpoint_seconds=0.02)) as stream:
            await anext(stream)
            await append(counting, *numbered(40))
            checkpoint = await anext(stream)
            while checkpoint.token.position < 40:
                checkpoint = await anext(stream)
        counting.reads.clear()
        await append(counting, event(provider="nobody", event_id="own"))
        batch = await anext(stalled)
    assert (first.entries, checkpoint.entries, checkpoint.live) == ([], [], True)
    assert (batch.entries, batch.live) == ([41], True)
    assert counting.reads == [(40, 4)]


async def test_the_window_serves_one_that_resumes_within_it(counting: CountingStore) -> None:
    """A new filter is held against what the window has, once; who is behind it reads the log."""
    odd = Filter(message_ids=frozenset(f"m{number}" for number in range(0, 100, 2)))
    async with running(counting, window=32) as watches, opened(watches, request(NOW_ON)) as keeping:
        await anext(keeping)
        await append(counting, *numbered(100))
        await until_read(watches, 100)
        (entry,) = await counting.read_log(79, 1)
        counting.reads.clear()
        token = Token(counting.head.log_id, 80, entry.fingerprint)
        async with opened(watches, request(token, odd)) as stream:
            batches = [await anext(stream), await anext(stream)]
    assert [batch.entries for batch in batches] == [[], list(range(81, 101, 2))]
    assert (batches[1].token.position, batches[1].live) == (100, True)
    assert counting.reads == []


async def test_nothing_is_read_while_nobody_follows(counting: CountingStore) -> None:
    """The last watch that goes takes the window along, and the next one begins where the log is then."""
    async with running(counting) as watches:
        async with opened(watches, request(NOW_ON)) as stream:
            await anext(stream)
            await append(counting, *numbered(50))
            assert len((await anext(stream)).entries) == 50
        assert len(watches._tail._slots) == 0  # noqa: SLF001
        await append(counting, *numbered(250, first=50))
        await append(counting, *numbered(1, first=300))
        assert counting.reads == [(0, 250)]
        async with opened(watches, request(NOW_ON)) as stream:
            await anext(stream)
            await append(counting, *numbered(1, first=301))
            assert (await anext(stream)).entries == [302]
        assert counting.reads == [(0, 250), (301, 250)]


async def test_a_page_that_nobody_waits_for_any_more_is_let_go(counting: CountingStore) -> None:
    """Where all have left while the window was read on, who comes then begins where the log is, and misses nothing."""
    async with running(counting) as watches:
        counting.gate.clear()
        async with opened(watches, request(NOW_ON)) as stream:
            await anext(stream)
            await append(counting, *numbered(5))
            await until(lambda: counting.reads == [(0, 250)])
        await append(counting, *numbered(5, first=5))
        async with opened(watches, request(NOW_ON)) as stream:
            batches = [await anext(stream)]
            counting.gate.set()
            await append(counting, *numbered(5, first=10))
            batches.append(await anext(stream))
    assert [batch.entries for batch in batches] == [[], [11, 12, 13, 14, 15]]
    assert batches[1].token == Token.at(counting.head)
    assert counting.reads == [(0, 250), (10, 250)]


async def test_a_start_time_is_part_of_the_filter_only_while_it_is_to_come(
    counting: CountingStore, clock: Clock
) -> None:
    """Watches from past times share a group; one from a time to come sees nothing that is committed before it."""
    await append(counting, *numbered(3))
    async with (
        running(counting) as watches,
        opened(watches, request(clock.now - SECOND)) as earlier,
        opened(watches, request(clock.now)) as now,
        opened(watches, request(clock.now + 5 * SECOND)) as later,
    ):
        for stream in (earlier, now, later):
            await anext(stream)
        assert [group.wanted.since for group in watches._tail._groups] == [0, clock.now + 5 * SECOND]  # noqa: SLF001
        for first in range(3, 9):
            clock.now += SECOND
            await append(counting, *numbered(1, first=first))
        await until_read(watches, 9)
        assert (await anext(later)).entries == [8, 9]


async def test_a_window_that_retention_overtakes_is_let_go(counting: CountingStore) -> None:
    """Watches then ask the log: it refuses one that stands below the floor, and serves one that stands at it."""
    async with running(counting, window=64) as watches, LiveStreams(watches, 3) as (behind, waiting, ahead):
        await append(counting, *numbered(10))
        assert (await anext(waiting)).token.position == (await anext(ahead)).token.position == 10
        pending = [asyncio.ensure_future(anext(stream)) for stream in (waiting, ahead)]
        await asyncio.sleep(0)
        counting.floor = 15
        await append(counting, *numbered(10, first=10))
        for each in (*pending, asyncio.ensure_future(anext(behind))):
            with pytest.raises(PositionCompacted):
                await each
        assert len(watches._tail._slots) == 0  # noqa: SLF001


async def test_at_the_floor_a_watch_goes_on(counting: CountingStore) -> None:
    """One that got all up to the floor misses nothing, though the window could not be read on."""
    async with running(counting, window=64, retry_seconds=0.01) as watches, LiveStreams(watches, 1) as (stream,):
        await append(counting, *numbered(10))
        batches = [await anext(stream)]
        pending = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        watches._tail._start_over()  # noqa: SLF001  (as if the next page had been below the floor)
        counting.floor = 10
        await append(counting, *numbered(10, first=10))
        batches.append(await pending)
    assert read(batches) == list(range(1, 21))


class LiveStreams:
    """Live watches of everything that were told that they are."""

    def __init__(self, watches: Watches, count: int) -> None:
        self.raw = [watches.watch(request(NOW_ON)) for _ in range(count)]

    async def __aenter__(self) -> list[AsyncIterator[Told]]:
        for stream in self.raw:
            assert told(await anext(stream)).live
        return [(told(batch) async for batch in stream) for stream in self.raw]

    async def __aexit__(self, *_: object) -> None:
        for stream in self.raw:
            await stream.aclose()


@pytest.mark.parametrize("start", [StartPoint.EARLIEST, NOW_ON])
async def test_responses_are_cut_by_bytes(store: SqliteStore, start: StartPoint) -> None:
    """A response has at most 48 KiB of entries, from the log and from the window; one larger entry comes alone."""
    for spaces, expected in ((15_000, 3), (RESPONSE_BYTES * 2, 1)):
        wire, first = PlainWire(spaces), store.head.position
        async with running(store) as watches, opened(watches, request(start, wire=wire)) as stream:
            batches = [await anext(stream)]
            await append(store, *numbered(10, first=first))
            while batches[-1].token.position < first + 10:
                batches.append(await anext(stream))
        assert_sound(batches)
        assert read(batches) == list(range(batches[0].token.position + 1, first + 11))
        assert {len(batch.entries) for batch in batches[1:-1]} == {expected}


async def test_pages_shrink_to_what_fits_and_grow_again(counting: CountingStore) -> None:
    """One that catches up reads little more than it sends, so that what it lets go costs little to read again."""
    await append(counting, *numbered(1_000))
    wire = PlainWire(RESPONSE_BYTES // 10)
    async with running(counting) as watches, opened(watches, request(wire=wire, max_batch=1_000)) as stream:
        for _ in range(20):
            await anext(stream)
        assert {limit for _, limit in counting.reads[1:]} == {13}
        wire.space = b" "
        while (await anext(stream)).token.position < 700:
            pass
    assert [limit for _, limit in counting.reads[-3:]] == [104, 208, 416]


async def test_live_means_that_the_head_is_reached(store: SqliteStore) -> None:
    """While the window itself is behind the store nobody is told LIVE, then all are, whether more matched or not."""
    first_alone = Filter(message_ids=frozenset({"m0"}))
    async with (
        running(store) as watches,
        opened(watches, request(NOW_ON)) as every,
        opened(watches, request(NOW_ON, first_alone)) as narrow,
    ):
        await anext(every)
        await anext(narrow)
        reading = [asyncio.create_task(next_of(every, 3)), asyncio.create_task(next_of(narrow, 2))]
        await asyncio.sleep(0)
        await append(store, *numbered(600))
        async with asyncio.timeout(10):
            whole, first = await asyncio.gather(*reading)
    assert [(len(batch.entries), batch.live) for batch in whole] == [(250, False), (250, False), (100, True)]
    assert [(batch.entries, batch.token.position, batch.live) for batch in first] == [
        ([1], 250, False),
        ([], 600, True),
    ]
    assert {batch.head_position for batch in (*whole, *first)} == {600}


async def next_of(stream: AsyncIterator[Told], count: int) -> list[Told]:
    """The next responses of a watch."""
    return [await anext(stream) for _ in range(count)]


async def test_live_is_said_of_the_head_as_it_is_when_sent(counting: CountingStore) -> None:
    """What was written for one who got all there was is not LIVE to one who gets the same when there is more."""
    async with running(counting, window=64) as watches, LiveStreams(watches, 2) as (first, second):
        await append(counting, *numbered(5))
        assert await anext(first) == Told([1, 2, 3, 4, 5], Token.at(counting.head), True, 5)
        counting.gate.clear()
        await append(counting, *numbered(5, first=5))
        later = await anext(second)
        assert (later.entries, later.live, later.head_position) == ([1, 2, 3, 4, 5], False, 10)
        counting.gate.set()
        assert [(await anext(stream)).live for stream in (first, second)] == [True, True]


async def test_the_last_checkpoint_is_live_where_the_head_is_reached(counting: CountingStore) -> None:
    """A watch that was live, and is behind when the service stops, says in its last checkpoint that it is behind."""
    async with running(counting, window=64) as watches, LiveStreams(watches, 1) as (stream,):
        counting.gate.clear()
        await append(counting, *numbered(5))
        watches.drain()
        last = await anext(stream)
        assert (last.entries, last.token.position, last.live, last.head_position) == ([], 0, False, 5)
        counting.gate.set()


async def test_a_page_that_is_kept_tells_of_the_head_as_it_is(counting: CountingStore) -> None:
    """Who gets a page later shares its bytes while the head stays, and hears of the head, not of what it was."""
    await append(counting, *numbered(10))
    pages, begin, wanted = Pages(counting, 100), Token(counting.head.log_id, 0, bytes(8)), Filter()
    asked = Wanted(wanted, wanted.predicate(), PlainWire(), 100)
    kept = await pages.read(asked, begin, 5)
    batch = kept.batch(10)
    assert batch
    assert batch is kept.batch(10)
    assert told(batch) == Told([1, 2, 3, 4, 5], kept.end, False, 10)
    await append(counting, *numbered(5, first=10))
    assert await pages.read(asked, begin, 5) is kept
    later = kept.batch(15)
    assert later
    assert told(later) == Told([1, 2, 3, 4, 5], kept.end, False, 15)
    assert counting.reads == [(0, 5)]


async def test_a_page_up_to_the_head_is_live_until_the_head_moves(counting: CountingStore) -> None:
    """A page that reached the head is LIVE for who gets it then, not for who gets it when there is more, nor kept."""
    await append(counting, *numbered(5))
    pages, begin, wanted = Pages(counting, 100), Token(counting.head.log_id, 0, bytes(8)), Filter()
    asked = Wanted(wanted, wanted.predicate(), PlainWire(), 100)
    page = await pages.read(asked, begin, 10)
    batches = [page.batch(5), page.batch(8)]
    assert [(told(batch).live, told(batch).head_position) for batch in batches if batch] == [(True, 5), (False, 8)]
    assert await pages.read(asked, begin, 10) is not page


async def test_matching_that_fails_changes_nothing(counting: CountingStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one of many groups fails at an entry in the middle, nobody gets anything twice when it is tried again."""
    failing = {7}
    matching = Index.matching

    def fragile(index: Index, entry: LogEntry) -> list[Group]:
        if entry.position in failing:
            failing.clear()
            raise ValueError("once")
        return matching(index, entry)

    monkeypatch.setattr(Index, "matching", fragile)
    async with (
        running(counting, window=64, retry_seconds=0.001) as watches,
        LiveStreams(watches, 1) as (stream,),
    ):
        await append(counting, *numbered(10))
        assert (await anext(stream)).entries == list(range(1, 11))
        assert counting.reads == [(0, 64), (0, 64)]
        assert len(watches._tail._slots) == 10  # noqa: SLF001


async def test_others_have_their_turn_while_a_page_is_matched(
    counting: CountingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where matching takes long it is done in steps; who joins or leaves in between misses nothing."""
    monkeypatch.setattr("msgstate_server.watch.tail._STEP_SECONDS", 0.0)
    async with running(counting) as watches, LiveStreams(watches, 1) as (stream,):
        counting.gate.clear()
        await append(counting, *numbered(50))
        await until(lambda: counting.reads == [(0, 250)])
        counting.gate.set()
        batches = [await anext(stream)]
        assert batches[0].token.position < 50
        start = batches[0].token
        async with opened(watches, request(start, Filter(providers=frozenset({"acme"})))) as joining:
            joined = [await anext(joining)]
            while joined[-1].token.position < 50:
                joined.append(await anext(joining))
        while batches[-1].token.position < 50:
            batches.append(await anext(stream))
    assert read(batches) == list(range(1, 51))
    assert read(joined) == list(range(start.position + 1, 51))


async def test_a_thousand_shares_hold_up_nobody_for_long(
    counting: CountingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many filters a page is held against, the loop is given back after the milliseconds of a step."""
    tail, begin = Tail(counting, WINDOW), counting.head.position
    for index in range(1_000):
        wanted = Filter(shard_index=index, shard_count=1_000)
        tail.join(wanted, PLAIN, begin)
    await append(counting, *numbered(250))
    # Every look at the clock, of which there is one for each entry, takes a quarter of a step.
    ticks = count()
    monkeypatch.setattr("msgstate_server.watch.tail._STEP_SECONDS", 4)
    monkeypatch.setattr("msgstate_server.watch.tail.time.thread_time", lambda: next(ticks))
    monkeypatch.setattr("msgstate_server.watch.tail.time.perf_counter", lambda: float("inf"))
    positions = [tail.token.position]
    advancing = asyncio.ensure_future(tail.advance())
    while not advancing.done():
        await asyncio.sleep(0)
        if tail.token.position != positions[-1]:
            positions.append(tail.token.position)
    await advancing
    assert positions[-1] == 250
    assert max(after - before for before, after in pairwise(positions)) <= 4
    assert sum(len(group._slots) for group in tail._groups) == 250  # noqa: SLF001
