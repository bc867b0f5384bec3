"""What a watch promises, over a real store: in order, nothing left out, nothing twice, resumable from any token."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from itertools import chain
from random import Random

import pytest
from structlog.testing import capture_logs

from msgstate_server import failpoints
from msgstate_server.domain.errors import Draining, HistoryDiverged, StoreUnavailable, TooManyWatchers
from msgstate_server.domain.log import LogEntry
from msgstate_server.store.sqlite import SqliteStore
from msgstate_server.store.sqlite.recent import RecentLog
from msgstate_server.watch.filter import Filter
from msgstate_server.watch.start import StartPoint
from msgstate_server.watch.token import Token
from tests.builders import SECOND, Clock, append, event, numbered
from tests.unit.watch.conftest import (
    Told,
    assert_sound,
    opened,
    read,
    read_to,
    request,
    running,
    take,
    told,
)

NOW_ON = StartPoint.NOW
FAILS, AGAIN = "the end of the log cannot be read", "the end of the log is read again"
NOTHING = Filter(providers=frozenset({"nobody"}))
FOURTH = Filter(message_ids=frozenset(f"m{number}" for number in range(3, 150, 4)))
"""Every fourth entry of the log, where each is of a message of its own."""


async def write(store: SqliteStore, count: int, seed: int) -> None:
    """Commit so many events in groups of random sizes."""
    sizes, first = Random(seed), store.head.position  # noqa: S311
    end = first + count
    while first < end:
        size = min(sizes.randint(1, 60), end - first)
        await append(store, *numbered(size, messages=500, first=first))
        first += size


async def next_batch(stream: AsyncIterator[Told]) -> Told:
    """The next batch of a watch, soon."""
    async with asyncio.timeout(10):
        return await anext(stream)


async def until(condition: Callable[[], bool]) -> None:
    """Return when something is so, soon."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("max_batch", [1_000, 7])
async def test_watch_while_events_are_written(store: SqliteStore, max_batch: int) -> None:
    """A watcher that is now ahead, now behind, gets each of 5,000 events once and in order, from window and log."""
    count = 5_000 if max_batch == 1_000 else 1_000
    await write(store, 200, seed=1)
    async with running(store, window=16) as watches, asyncio.TaskGroup() as tasks:
        tasks.create_task(write(store, count - 200, seed=2))
        batches = await read_to(watches, request(max_batch=max_batch), count)
    assert read(batches) == list(range(1, count + 1))
    assert {batch.live for batch in batches} == {True, False}
    assert all(len(batch.entries) <= max_batch for batch in batches)


async def test_many_watchers_at_their_own_pace(store: SqliteStore) -> None:
    """Watchers that dawdle, start in the middle and want but a part each get all that is theirs."""
    async with running(store, window=32) as watches:

        async def dawdling(seed: int, start: StartPoint) -> list[Told]:
            turns, batches = Random(seed), []  # noqa: S311
            async with opened(watches, request(start, max_batch=50)) as stream:
                async for batch in stream:
                    batches.append(batch)
                    if batch.token.position == 1_500:
                        break
                    for _ in range(turns.choice((0, 0, 3, 30))):
                        await asyncio.sleep(0)
            assert_sound(batches)
            return batches

        writing = asyncio.create_task(write(store, 1_500, seed=3))
        early = [asyncio.create_task(dawdling(seed, StartPoint.EARLIEST)) for seed in range(6)]
        await store.wait_for_head(400)
        late = [asyncio.create_task(dawdling(seed, NOW_ON)) for seed in range(3)]
        async with asyncio.timeout(30):
            await writing
            for batches in await asyncio.gather(*early):
                assert read(batches) == list(range(1, 1_501))
            for batches in await asyncio.gather(*late):
                begin = batches[0].token.position
                assert begin >= 400
                assert read(batches) == list(range(begin + 1, 1_501))


async def test_first_batch_comes_at_once(store: SqliteStore) -> None:
    """The first batch says where the watch begins and how far the log goes, before there is anything to tell."""
    async with running(store) as watches:
        (empty,) = await take(watches, request(), 1)
        assert empty == Told([], Token(store.head.log_id, 0, bytes(8)), True, 0)
        await append(store, *numbered(5))
        (behind,) = await take(watches, request(), 1)
        assert (behind.entries, behind.token.position, behind.live, behind.head_position) == ([], 0, False, 5)
        (ahead,) = await take(watches, request(NOW_ON), 1)
        assert ahead == Told([], Token.at(store.head), True, 5)


async def test_start_time(store: SqliteStore, clock: Clock) -> None:
    """A watch from a time begins with the first event committed then or later."""
    began = clock.now
    for number in range(5):
        clock.now = began + number * SECOND
        await append(store, event(event_id=str(number)))
    async with running(store) as watches:
        assert read(await read_to(watches, request(began + 2 * SECOND), 5)) == [3, 4, 5]


async def test_catching_up_then_live(store: SqliteStore) -> None:
    """Until the end of what was is reached, batches say so; the one that reaches it is live, and so are later ones."""
    await append(store, *numbered(2_500))
    async with running(store) as watches, opened(watches, request()) as stream:
        batches = [await next_batch(stream) for _ in range(6)]
        await append(store, *numbered(1, first=2_500))
        batches.append(await next_batch(stream))
    assert [(len(batch.entries), batch.live) for batch in batches] == [
        (0, False),
        (128, False),
        (256, False),
        (512, False),
        (1_000, False),
        (604, True),
        (1, True),
    ]
    assert [batch.head_position for batch in batches] == [2_500] * 6 + [2_501]


async def test_filtered_watch_becomes_live_at_once(store: SqliteStore) -> None:
    """A watcher that wants nothing of what was is told when it has caught up, without waiting for a checkpoint."""
    await append(store, *numbered(2_500))
    async with running(store) as watches:
        first, live = await take(watches, request(wanted=NOTHING), 2)
    assert (first.live, first.token.position) == (False, 0)
    assert (live.entries, live.live, live.token) == ([], True, Token.at(store.head))


@pytest.mark.parametrize("max_batch", [1, 3, 10, 11])
async def test_batches_are_bounded(store: SqliteStore, max_batch: int) -> None:
    """No batch has more entries than asked for, the token covers what was delivered, and the last one is live."""
    await append(store, *numbered(10))
    async with running(store) as watches:
        batches = await read_to(watches, request(max_batch=max_batch), 10)
    assert read(batches) == list(range(1, 11))
    assert [len(batch.entries) for batch in batches[1:-1]] == [max_batch] * (len(batches) - 2)
    assert [batch.token.position for batch in batches[1:]] == [batch.entries[-1] for batch in batches[1:]]
    assert [batch.live for batch in batches[1:]] == [False] * (len(batches) - 2) + [True]


async def test_filtered_batches_cover_what_was_passed_over(store: SqliteStore) -> None:
    """A batch's last token covers what the filter passed over; those before it no more than was delivered."""
    await append(store, *numbered(30))
    async with running(store) as watches:
        batches = await read_to(watches, request(wanted=FOURTH, max_batch=3), 30)
    assert [batch.entries for batch in batches] == [[], [4, 8, 12], [16, 20, 24], [28]]
    assert [batch.token.position for batch in batches] == [0, 12, 24, 30]


async def test_resume_from_every_token(store: SqliteStore) -> None:
    """From each token that a watch gave, a new one gets exactly the rest, whatever filter either had."""
    await append(store, *numbered(150))
    async with running(store, window=16) as watches:
        plain = await read_to(watches, request(max_batch=7), 150)
        filtered = await read_to(watches, request(wanted=FOURTH, max_batch=2), 150)
        for batches in (plain, filtered):
            for batch in batches:
                token = Token.decode(batch.token.encode())
                rest = await read_to(watches, request(token), 150)
                assert read(rest) == list(range(token.position + 1, 151))
                rest = await read_to(watches, request(token, wanted=FOURTH), 150)
                assert read(rest) == [place for place in range(token.position + 1, 151) if place % 4 == 0]


async def test_resume_from_tokens_seen_while_live(store: SqliteStore) -> None:
    """Tokens of live batches are as good as those of what was."""
    async with running(store, window=16) as watches:
        writing = asyncio.create_task(write(store, 400, seed=7))
        batches = await read_to(watches, request(NOW_ON), 400)
        await writing
        for batch in batches:
            rest = await read_to(watches, request(batch.token), 400)
            assert read(rest) == list(range(batch.token.position + 1, 401))


async def test_transitions_alone_and_in_shares(store: SqliteStore) -> None:
    """A watch of transitions gets the rows that moved something; its shares together get each once."""
    await append(store, *numbered(600, messages=40))
    moved = [entry.position for entry in await store.read_log(0, 1_000) if entry.moved]
    async with running(store) as watches:
        whole = await read_to(watches, request(wanted=Filter(moved_alone=True)), 600)
        assert read(whole) == moved
        shares = [
            read(
                await read_to(watches, request(wanted=Filter(shard_index=index, shard_count=3, moved_alone=True)), 600)
            )
            for index in range(3)
        ]
        assert all(shares)
        assert sorted(chain.from_iterable(shares)) == moved


async def test_idle_watch_gets_checkpoints(store: SqliteStore) -> None:
    """In silence a watcher gets an empty batch every interval, with the token that it has."""
    await append(store, *numbered(3))
    loop = asyncio.get_running_loop()
    async with running(store) as watches:
        began = loop.time()
        batches = await take(watches, request(NOW_ON, checkpoint_seconds=0.04), 4)
        assert 0.12 <= loop.time() - began < 5
    assert batches == [Told([], Token.at(store.head), True, 3)] * 4


async def test_filtered_watch_gets_checkpoints_that_advance(store: SqliteStore) -> None:
    """A watcher that wants nothing of what happens still advances, at least every interval."""
    async with running(store) as watches:
        writing = asyncio.create_task(write(store, 100_000, seed=8))
        batches = await take(watches, request(NOW_ON, NOTHING, checkpoint_seconds=0.05), 5)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
    assert read(batches) == []
    covered = [batch.token.position for batch in batches]
    assert covered == sorted(covered)
    assert covered[-1] > covered[0]


async def test_delivery_puts_the_checkpoint_off(store: SqliteStore) -> None:
    """A checkpoint is for silence: while entries come, none is sent between them."""
    async with running(store) as watches, opened(watches, request(NOW_ON, checkpoint_seconds=30)) as stream:
        batches = [await next_batch(stream)]
        for number in range(20):
            await append(store, event(event_id=str(number)))
            batches.append(await next_batch(stream))
    assert [len(batch.entries) for batch in batches] == [0] + [1] * 20


async def test_drain_ends_every_watch_with_a_token(store: SqliteStore) -> None:
    """When the service stops, each watch gets a last checkpoint, and is told to go on from it later."""
    await append(store, *numbered(10))
    got: dict[StartPoint | Token, list[Told]] = {}
    async with running(store) as watches:

        async def until_drained(start: StartPoint | Token) -> list[Told]:
            batches = got.setdefault(start, [])
            with pytest.raises(Draining, match="resume from the last token"):  # noqa: PT012
                async for batch in watches.watch(request(start)):
                    batches.append(told(batch))
            return batches

        tasks = [asyncio.create_task(until_drained(start)) for start in (StartPoint.EARLIEST, NOW_ON)]
        await until(lambda: watches.count == 2)
        await append(store, *numbered(1, first=10))
        await until(lambda: all(batches and batches[-1].token.position == 11 for batches in got.values()))
        watches.drain()
        async with asyncio.timeout(5):
            everything, since = await asyncio.gather(*tasks)
        assert (read(everything), read(since)) == (list(range(1, 12)), [11])
        for batches in (everything, since):
            assert (batches[-1].entries, batches[-1].token) == ([], Token.at(store.head))
        late = await until_drained(Token.at(store.head))
        assert [batch.entries for batch in late] == [[], []]
        assert watches.count == 0


async def test_drain_while_catching_up(store: SqliteStore) -> None:
    """A watcher in the middle of the log is not kept until its end: its last token says where to go on."""
    await append(store, *numbered(3_000))
    async with running(store) as watches:
        batches: list[Told] = []
        with pytest.raises(Draining):  # noqa: PT012
            async for batch in watches.watch(request()):
                batches.append(told(batch))
                if batch.entries:
                    watches.drain()
        assert [len(batch.entries) for batch in batches] == [0, 128, 0]
        assert (batches[-1].token.position, batches[-1].live) == (128, False)


async def test_too_many_watchers(store: SqliteStore) -> None:
    """One watcher more than allowed is refused; one that is cancelled, ends or fails gives its place away."""
    async with running(store, max_watchers=2) as watches:

        async def forever() -> None:
            async for _ in watches.watch(request(NOW_ON)):
                pass

        tasks = [asyncio.create_task(forever()) for _ in range(2)]
        await until(lambda: watches.count == 2)
        for _ in range(2):
            with pytest.raises(
                TooManyWatchers, match=r"^2 watches are open, as many as this server serves; try later$"
            ):
                await take(watches, request(), 1)
        tasks[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await tasks[0]
        for _ in range(3):
            await take(watches, request(), 1)
            with pytest.raises(HistoryDiverged):
                await take(watches, request(Token(bytes(16), 0, bytes(8))), 1)
        tasks[1].cancel()
        with pytest.raises(asyncio.CancelledError):
            await tasks[1]
        assert watches.count == 0


class FlakyStore(SqliteStore):
    """The real store, some of whose reads of the log's end fail."""

    failing: Sequence[int] = ()
    error: Exception = StoreUnavailable("away")
    reads = 0

    async def follow_log(self, after: int, limit: int, expected: bytes | None = None) -> list[LogEntry]:
        """Fail at the chosen reads."""
        self.reads += 1
        if self.reads in self.failing:
            raise self.error
        return await super().follow_log(after, limit, expected)


@pytest.mark.parametrize("error", [StoreUnavailable("away"), ValueError("a row that no msgstate wrote")])
@pytest.mark.parametrize("failing", [(1,), (2,), (3,), (2, 3), (3, 5)])
async def test_log_that_cannot_be_read_for_a_while(
    store: SqliteStore, clock: Clock, failing: Sequence[int], error: Exception
) -> None:
    """Where reading ahead fails midway, live watchers go on once it works again, with nothing twice or left out."""
    await store.close()
    flaky = FlakyStore(store.path, clock)
    flaky.failing, flaky.error = failing, error
    try:
        with capture_logs() as logs:
            async with running(flaky, retry_seconds=0.01) as watches, opened(watches, request(NOW_ON)) as stream:
                batches = [await next_batch(stream)]
                await append(flaky, *numbered(1_500))
                while batches[-1].token.position < 1_500 and len(batches) < 50:
                    batches.append(await next_batch(stream))
        assert_sound(batches)
        assert read(batches) == list(range(1, 1_501))
        in_a_row = failing == (2, 3)
        assert [log["event"] for log in logs] == [FAILS, AGAIN] * (len(failing) - in_a_row)
        assert [log["failures"] for log in logs if log["event"] == AGAIN] == ([2] if in_a_row else [1] * len(failing))
    finally:
        await flaky.close()


async def test_log_that_cannot_be_read_for_long(store: SqliteStore, clock: Clock) -> None:
    """After some failures in a row live watchers are told to come again, whatever failed; then they miss nothing."""
    await store.close()
    flaky = FlakyStore(store.path, clock)
    flaky.failing, flaky.error = range(1, 100), ValueError("a row that no msgstate wrote")
    try:
        with capture_logs() as logs:
            async with running(flaky, retry_seconds=0.001) as watches, AsyncExitStack() as opening:
                streams = [
                    await opening.enter_async_context(opened(watches, request(NOW_ON, wanted)))
                    for wanted in (Filter(), NOTHING, NOTHING)
                ]
                firsts = [await next_batch(stream) for stream in streams]
                waiting = [asyncio.ensure_future(next_batch(stream)) for stream in streams]
                await append(flaky, *numbered(5))
                failures = await asyncio.gather(*waiting, return_exceptions=True)
                assert flaky.reads == 4
                flaky.failing = ()
                again = await read_to(watches, request(firsts[0].token), 5)
                await append(flaky, *numbered(1, first=5))
                rest = await read_to(watches, request(again[-1].token), 6)
        assert [type(failure) for failure in failures] == [StoreUnavailable] * 3
        assert len(set(map(id, failures))) == 3
        assert read(again) + read(rest) == [1, 2, 3, 4, 5, 6]
        assert [log["event"] for log in logs][:1] == [FAILS]
        assert {log["event"] for log in logs[1:]} <= {AGAIN}
    finally:
        await flaky.close()


async def test_one_that_is_told_nothing_yet_waits_through_few_failures(store: SqliteStore, clock: Clock) -> None:
    """Three failures in a row end no watch."""
    await store.close()
    flaky = FlakyStore(store.path, clock)
    flaky.failing = (1, 2, 3)
    try:
        async with running(flaky, retry_seconds=0.001) as watches, opened(watches, request(NOW_ON)) as stream:
            assert (await next_batch(stream)).live
            await append(flaky, *numbered(5))
            assert (await next_batch(stream)).entries == [1, 2, 3, 4, 5]
    finally:
        await flaky.close()


def nothing_recent(*_: object) -> list[LogEntry]:
    """What is remembered of the log where it is longer ago than that: all must be read."""
    return []


@pytest.mark.parametrize("start", [StartPoint.EARLIEST, NOW_ON])
async def test_log_that_lost_its_last_rows(
    store: SqliteStore, start: StartPoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where rows up to the head are gone, who catches up and who is live are told that the log cannot be read."""
    monkeypatch.setattr(RecentLog, "after", nothing_recent)
    await append(store, *numbered(3))
    async with running(store, retry_seconds=0.001) as watches, opened(watches, request(start)) as stream:
        await next_batch(stream)
        store._connection.execute(  # noqa: SLF001
            "CREATE TEMP TRIGGER lose AFTER INSERT ON main.event "
            "BEGIN DELETE FROM event WHERE position = NEW.position; END"
        )
        await append(store, *numbered(3, first=3))
        with pytest.raises(StoreUnavailable):
            await next_batch(stream)


async def test_one_who_comes_before_a_commit_is_shown_is_told_of_it(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the last follower read of a commit, before the store showed it, the next one is told without more events."""
    monkeypatch.setattr(RecentLog, "after", nothing_recent)
    await append(store, *numbered(1))
    committed, shown, end_is_held = threading.Event(), threading.Event(), threading.Event()

    def stand_still() -> None:
        committed.set()
        shown.wait(20)

    async with running(store) as watches:
        async with opened(watches, request(NOW_ON)) as first:
            await next_batch(first)
            # The window's end is read after the third event was committed, and before the store shows that.
            holding = asyncio.ensure_future(store._end.run(lambda _: end_is_held.wait(20)))  # noqa: SLF001
            await append(store, *numbered(1, first=1))
            token = Token.at(store.head)
            await asyncio.sleep(0)
            monkeypatch.setattr(failpoints, "_armed", {"write.after_commit": stand_still})
            appending = asyncio.ensure_future(append(store, *numbered(1, first=2)))
            await asyncio.to_thread(committed.wait, 20)
            end_is_held.set()
            await holding
            assert (await next_batch(first)).token.position == 3
            # Whoever follows the log gets to wait for what comes behind that.
            for _ in range(10):
                await asyncio.sleep(0)
        assert store.head.position == 2
        async with opened(watches, request(token)) as second:
            batches = [await next_batch(second)]
            shown.set()
            await appending
            while batches[-1].token.position < 3:
                batches.append(await next_batch(second))
    assert read(batches) == [3]
