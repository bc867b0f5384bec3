"""Group commit over a real store: few transactions, bounds that hold, and nobody who pays for a neighbour."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from msgstate_server.domain.decision import Disposition, Outcome, Problem, Submission
from msgstate_server.domain.errors import Draining, IngestQueueFull, StoreUnavailable
from msgstate_server.ingest import Ingest, group_commit
from tests.builders import event, numbered, payload, positions, submission
from tests.unit.ingest.conftest import CountingStore, running


def submitted(ingest: Ingest, name: str, events: int = 1) -> "asyncio.Task[list[Outcome]]":
    """A submission of so many events of one message, under way."""
    given = [event(message_id=name, event_id=str(index)) for index in range(events)]
    return asyncio.create_task(ingest.submit(submission(*given)))


async def let_go(turns: int = 5) -> None:
    """Let everything that can go on go on; for showing that something does not."""
    for _ in range(turns):
        await asyncio.sleep(0)


async def shut(store: CountingStore, ingest: Ingest) -> "asyncio.Task[list[Outcome]]":
    """Shut the door on a first commit, behind which everything queues."""
    store.door.clear()
    store.waiting.clear()
    first = submitted(ingest, "first")
    await store.waiting.wait()
    return first


async def test_lone_submission_commits_at_once(store: CountingStore) -> None:
    """One submission alone waits for nobody, and its outcomes are durable when they are there."""
    async with running(store) as ingest, asyncio.timeout(5):
        outcomes = await ingest.submit(submission(*numbered(2), numbered(1)[0]))
        assert outcomes == [
            Outcome(Disposition.ACCEPTED, 1),
            Outcome(Disposition.ACCEPTED, 2),
            Outcome(Disposition.DUPLICATE, 1),
        ]
        assert len(await store.read_log(0, 10)) == 2
        assert store.groups == [1]


async def test_concurrent_submissions_share_commits(store: CountingStore) -> None:
    """What waits while one transaction runs shares the next, in the order in which it came."""
    async with running(store) as ingest:
        first = await shut(store, ingest)
        tasks = [submitted(ingest, f"m{number}", 3) for number in range(100)]
        await let_go()
        store.door.set()
        outcomes = await asyncio.gather(first, *tasks)
        assert store.groups == [1, 100]
        assert [position for each in outcomes for position in positions(each)] == list(range(1, 302))


async def queued(store: CountingStore, ingest: Ingest, count: int) -> "list[asyncio.Task[list[Outcome]]]":
    """A first commit at the shut door, and so many that queue behind it."""
    tasks = [await shut(store, ingest), *(submitted(ingest, f"queued {number}") for number in range(count))]
    await let_go()
    return tasks


async def crowd(store: CountingStore, ingest: Ingest) -> None:
    """Nine callers are answered, eight of them at once; from then on six are expected."""
    tasks = await queued(store, ingest, 8)
    store.door.set()
    await asyncio.gather(*tasks)
    assert store.groups == [1, 8]


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for a crowd waits for ever, and no pause is too long for it."""
    monkeypatch.setattr(group_commit, "CROWD_SECONDS", 1e6)
    monkeypatch.setattr(group_commit, "PAUSE_SECONDS", 1e6)


@pytest.mark.usefixtures("patient")
async def test_crowd_shares_a_commit(store: CountingStore) -> None:
    """Most of those who were answered together are waited for."""
    async with running(store) as ingest, asyncio.timeout(10):
        await crowd(store, ingest)
        early = [submitted(ingest, f"m{number}") for number in range(5)]
        await let_go()
        assert store.groups == [1, 8]
        await asyncio.gather(*early, submitted(ingest, "m5"))
        assert store.groups == [1, 8, 6]


@pytest.mark.usefixtures("patient")
async def test_who_came_meanwhile_is_of_the_crowd(store: CountingStore) -> None:
    """Those count too who wait already when others are answered: of three, two are expected."""
    async with running(store, group_events=2) as ingest, asyncio.timeout(10):
        *answered, left = await queued(store, ingest, 3)
        store.door.set()
        await asyncio.gather(*answered)
        await let_go()
        assert store.groups == [1, 2]
        await asyncio.gather(left, submitted(ingest, "second"))
        assert store.groups == [1, 2, 2]


@pytest.mark.usefixtures("patient")
async def test_enough_events_are_a_crowd(store: CountingStore) -> None:
    """A batch is worth a commit by itself."""
    async with running(store) as ingest, asyncio.timeout(10):
        await crowd(store, ingest)
        await submitted(ingest, "batch", group_commit.CROWD_EVENTS)
        assert store.groups == [1, 8, 1]


@pytest.mark.usefixtures("patient")
async def test_drain_waits_for_no_crowd(store: CountingStore) -> None:
    """Who waits for company is committed when the service stops."""
    async with running(store) as ingest, asyncio.timeout(10):
        await crowd(store, ingest)
        alone = submitted(ingest, "alone")
        await let_go()
        ingest.drain()
        assert len(await alone) == 1


@pytest.mark.usefixtures("patient")
async def test_last_one_waits_for_no_crowd(store: CountingStore) -> None:
    """Nobody comes any more once the service stops: whoever is left behind a full group is committed."""
    async with running(store, group_events=2) as ingest, asyncio.timeout(10):
        tasks = await queued(store, ingest, 3)
        ingest.drain()
        store.door.set()
        await asyncio.gather(*tasks)
        assert store.groups == [1, 2, 1]


async def test_who_is_left_of_a_crowd_waits_once(store: CountingStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crowd that does not come is waited for a moment, and by the next caller not at all."""
    monkeypatch.setattr(group_commit, "PAUSE_SECONDS", 1e6)
    async with running(store) as ingest, asyncio.timeout(10):
        await crowd(store, ingest)
        await submitted(ingest, "left")
        monkeypatch.setattr(group_commit, "CROWD_SECONDS", 1e6)
        await submitted(ingest, "alone")
        assert store.groups == [1, 8, 1, 1]


@pytest.mark.usefixtures("patient")
async def test_who_comes_after_a_pause_is_alone(store: CountingStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crowd would have come at once: whoever comes later does not wait for it."""
    monkeypatch.setattr(group_commit, "PAUSE_SECONDS", 0.0)
    async with running(store) as ingest, asyncio.timeout(10):
        await crowd(store, ingest)
        await let_go()
        await submitted(ingest, "alone")
        assert store.groups == [1, 8, 1]


async def test_group_is_bounded(store: CountingStore) -> None:
    """A transaction takes no more events than its bound, but for one submission that has more by itself."""
    async with running(store, group_events=10) as ingest:
        first = await shut(store, ingest)
        tasks = [submitted(ingest, f"m{number}", size) for number, size in enumerate((4, 6, 1, 9, 9, 25, 2))]
        await let_go()
        store.door.set()
        await asyncio.gather(first, *tasks)
        assert store.groups == [1, 2, 2, 1, 1, 1]


async def test_one_that_the_store_chokes_on_fails_alone(store: CountingStore) -> None:
    """An unforeseen error of one submission is its own; the others of its group are committed, in order."""
    async with running(store) as ingest:
        first = await shut(store, ingest)
        tasks = [submitted(ingest, name) for name in ("a", "bad", "c")]
        await let_go()
        store.failure, store.fails_on = ValueError("choked"), "bad"
        store.door.set()
        results = await asyncio.gather(first, *tasks, return_exceptions=True)
        assert results[2] is store.failure
        assert [positions(each) for each in (results[0], results[1], results[3])] == [[1], [2], [3]]  # type: ignore[arg-type]


class ChokingStore:
    """Chokes on any group, and does not answer for one submission alone."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def append(self, submissions: Sequence[Submission]) -> list[list[Outcome]]:
        """Fail at once, or never come to an end."""
        if len(submissions) > 1:
            raise ValueError("choked")
        self.asked.set()
        await asyncio.Event().wait()
        raise AssertionError("it went on")


async def test_cancelled_between_those_of_a_group() -> None:
    """Where the intake is cancelled while it tries a group one by one, all of the group are told to come again."""
    store: Any = ChokingStore()
    ingest = Ingest(store)
    tasks = [submitted(ingest, name) for name in ("a", "b", "c")]
    await let_go()
    running_task = asyncio.create_task(ingest.run())
    await store.asked.wait()

    running_task.cancel()

    async with asyncio.timeout(5):
        results = await asyncio.gather(running_task, *tasks, return_exceptions=True)
    assert [asyncio.CancelledError, Draining, Draining, Draining] == [type(result) for result in results]


async def test_real_choke_fails_alone(store: CountingStore) -> None:
    """A time that no database holds fails its own submission, and no neighbour."""
    async with running(store) as ingest:
        first = await shut(store, ingest)
        bad = asyncio.create_task(ingest.submit(submission(event(message_id="bad", received=2**63))))
        good = submitted(ingest, "good")
        await let_go()
        store.door.set()
        with pytest.raises(OverflowError):
            await bad
        assert [positions(await first), positions(await good)] == [[1], [2]]


async def test_unavailable_store_reaches_everyone(store: CountingStore) -> None:
    """Where the store is away, all of the group are told so, at once and without a try each; later ones go through."""
    async with running(store) as ingest:
        first = await shut(store, ingest)
        tasks = [submitted(ingest, f"m{number}") for number in range(5)]
        await let_go()
        store.failure = StoreUnavailable("away")
        store.door.set()
        results = await asyncio.gather(first, *tasks, return_exceptions=True)
        assert results == [store.failure] * 6
        assert store.groups == [1, 5]
        store.failure = None
        assert positions(await submitted(ingest, "m0")) == [1]


async def test_full_queue_refuses_after_the_deadline(store: CountingStore) -> None:
    """Over the bound a caller waits for its deadline, then is told to come again; what was queued still commits."""
    async with running(store, queue_events=10) as ingest:
        first = await shut(store, ingest)
        queued = [submitted(ingest, "a", 4), submitted(ingest, "b", 6)]
        await let_go()
        began = asyncio.get_running_loop().time()
        with pytest.raises(IngestQueueFull, match=r"^10 events wait to be committed; "):
            await ingest.submit(submission(event()), timeout=0.05)
        assert 0.05 <= asyncio.get_running_loop().time() - began < 4
        with pytest.raises(IngestQueueFull):
            await ingest.submit(submission(event()), timeout=0)
        store.door.set()
        assert [len(await task) for task in (first, *queued)] == [1, 4, 6]
        assert store.head.position == 11


async def test_raw_bodies_take_room_too(store: CountingStore) -> None:
    """A body counts as the events that it could hold, so that what waits is bounded in bytes."""
    async with running(store, queue_events=10) as ingest:
        first = await shut(store, ingest)
        large = Submission([], payload(b"x" * 32_000), [Problem("", "not understood")])
        queued = asyncio.create_task(ingest.submit(large))
        await let_go()
        with pytest.raises(IngestQueueFull, match=r"^10 events wait"):
            await ingest.submit(submission(event()), timeout=0)
        store.door.set()
        assert await queued == []
        await first


async def test_caller_waits_for_room(store: CountingStore) -> None:
    """A caller over the bound goes on as soon as there is room."""
    async with running(store, queue_events=10) as ingest:
        first = await shut(store, ingest)
        tasks = [submitted(ingest, f"m{number}", 5) for number in range(20)]
        await let_go()
        assert ingest._queued == 10  # noqa: SLF001
        store.door.set()
        await asyncio.gather(first, *tasks)
        assert store.head.position == 101
        assert all(size <= 2 for size in store.groups)


async def test_submission_larger_than_the_queue(store: CountingStore) -> None:
    """One that is over the bound by itself goes through where nothing else waits."""
    async with running(store, queue_events=10) as ingest:
        assert len(await submitted(ingest, "m", 25)) == 25


async def test_submission_without_events_counts(store: CountingStore) -> None:
    """Requests that bring problems alone cannot fill the memory: each takes a place."""
    async with running(store, queue_events=3) as ingest:
        first = await shut(store, ingest)
        tasks = [submitted(ingest, "none", 0) for _ in range(3)]
        await let_go()
        with pytest.raises(IngestQueueFull):
            await ingest.submit(submission(), timeout=0)
        store.door.set()
        assert await asyncio.gather(first, *tasks) == [[Outcome(Disposition.ACCEPTED, 1)], [], [], []]


async def test_drain_commits_what_was_taken(store: CountingStore) -> None:
    """After `drain` new submissions are refused, those who wait for room too; all that was taken is committed."""
    ingest = Ingest(store, queue_events=10)
    running_task = asyncio.create_task(ingest.run())
    first = await shut(store, ingest)
    taken = [submitted(ingest, "a", 5), submitted(ingest, "b", 5)]
    waits_for_room = submitted(ingest, "c")
    await let_go()
    ingest.drain()
    with pytest.raises(Draining, match="shutting down"):
        await ingest.submit(submission(event()))
    with pytest.raises(Draining):
        await waits_for_room
    assert not running_task.done()
    store.door.set()
    async with asyncio.timeout(10):
        await running_task
    assert [len(await task) for task in (first, *taken)] == [1, 5, 5]
    assert store.head.position == 11


async def test_drain_of_an_idle_intake(store: CountingStore) -> None:
    """Where nothing waits, draining ends the intake at once, before it began to run too."""
    ingest = Ingest(store)
    task = asyncio.create_task(ingest.run())
    await let_go()
    ingest.drain()
    async with asyncio.timeout(5):
        await task
        early = Ingest(store)
        early.drain()
        await early.run()
    assert store.groups == []


async def test_cancelled_while_it_waits(store: CountingStore) -> None:
    """A caller that goes away before its turn is not committed, and the room that it took is free again."""
    async with running(store, queue_events=2) as ingest:
        first = await shut(store, ingest)
        gone, stays = submitted(ingest, "gone"), submitted(ingest, "stays")
        await let_go()
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        store.door.set()
        await asyncio.gather(first, stays)
        assert await store.find_messages("gone", "", 1) == []
        assert store.groups == [1, 1]
        assert positions(await submitted(ingest, "later", 2)) == [3, 4]


async def test_cancelled_while_it_is_committed(store: CountingStore) -> None:
    """A caller that goes away during its commit takes nothing back, and the neighbours get their answers."""
    async with running(store) as ingest:
        first = await shut(store, ingest)
        second = submitted(ingest, "second")
        await let_go()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        store.door.set()
        assert positions(await second) == [2]
        assert store.head.position == 2


async def test_cancelled_while_it_waits_for_room(store: CountingStore) -> None:
    """A caller that gives up waiting for room leaves nothing behind."""
    async with running(store, queue_events=1) as ingest:
        first = await shut(store, ingest)
        queued, gone, later = submitted(ingest, "queued"), submitted(ingest, "gone"), submitted(ingest, "later")
        await let_go()
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        store.door.set()
        assert [positions(await task) for task in (first, queued, later)] == [[1], [2], [3]]


async def test_places_in_the_queue_are_kept(store: CountingStore) -> None:
    """Submissions that are queued one after the other are committed in that order, however late they are asked for."""
    async with running(store) as ingest:
        first = await shut(store, ingest)
        places = [await ingest.queue(submission(event(message_id=f"m{number}"))) for number in range(50)]
        store.door.set()
        assert [positions(await place) for place in reversed(places)] == [[number] for number in range(51, 1, -1)]
        await first


async def test_place_without_a_deadline_waits_for_room(store: CountingStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody sets a deadline, the one of single submissions does not count."""
    monkeypatch.setattr("msgstate_server.ingest.group_commit.ROOM_SECONDS", 0.01)
    async with running(store, queue_events=1) as ingest:
        first = await shut(store, ingest)
        queued = submitted(ingest, "queued")
        await let_go()
        patient = asyncio.create_task(ingest.queue(submission(event(message_id="patient"))))
        with pytest.raises(IngestQueueFull):
            await submitted(ingest, "impatient")
        assert not patient.done()
        store.door.set()
        assert [positions(await each) for each in (first, queued, await patient)] == [[1], [2], [3]]


async def test_place_that_is_given_up(store: CountingStore) -> None:
    """A submission that nobody asks for any more is not committed where it still waits."""
    async with running(store) as ingest:
        first = await shut(store, ingest)
        (await ingest.queue(submission(event(message_id="gone")))).cancel()
        stays = await ingest.queue(submission(event(message_id="stays")))
        store.door.set()
        assert [positions(await each) for each in (first, stays)] == [[1], [2]]
        assert await store.find_messages("gone", "", 1) == []


async def test_closed_tells_of_the_drain(store: CountingStore) -> None:
    """Whoever waits for it is told when the service drains, or at once where it does."""
    ingest = Ingest(store)
    waiting = asyncio.create_task(ingest.closed())
    await let_go()
    assert not waiting.done()
    ingest.drain()
    assert isinstance(await waiting, Draining)
    assert isinstance(await ingest.closed(), Draining)
