"""Watches with equal filters share what they cost, and a watch that names something costs nothing while others move."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from msgstate_server.domain.log import LogEntry
from msgstate_server.store.sqlite import SqliteStore
from msgstate_server.watch import Batch, Watches
from msgstate_server.watch.filter import Filter, Predicate
from msgstate_server.watch.start import StartPoint
from tests.builders import append, event, numbered
from tests.unit.watch.conftest import PlainWire, opened, request, running, told

NOW_ON = StartPoint.NOW


class Calls:
    """How often entries were held against a filter, by filter."""

    def __init__(self) -> None:
        self.count: dict[Filter, int] = {}

    def counting(self, wanted: Filter, matches: Predicate) -> Predicate:
        def counted(entry: LogEntry) -> bool:
            self.count[wanted] = self.count.get(wanted, 0) + 1
            return matches(entry)

        return counted


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Counts the calls of every predicate."""
    calls, predicate = Calls(), Filter.predicate
    monkeypatch.setattr(Filter, "predicate", lambda wanted: calls.counting(wanted, predicate(wanted)))
    return calls


async def live(opening: AsyncExitStack, watches: Watches, wanted: Filter, wire: PlainWire) -> AsyncIterator[Batch]:
    """A watch that stands at the log's end, and waits."""
    stream = watches.watch(request(NOW_ON, wanted, wire=wire))
    opening.push_async_callback(stream.aclose)
    assert told(await anext(stream)).live
    return stream


async def test_equal_watches_share_everything(store: SqliteStore, calls: Calls) -> None:
    """What a hundred equal watchers get is matched once, written once, and one object for all of them."""
    wire = PlainWire()
    wanted = Filter(providers=frozenset({"acme"}))
    async with running(store) as watches, AsyncExitStack() as opening, asyncio.timeout(20):
        streams = [await live(opening, watches, wanted, wire) for _ in range(100)]
        next_batches = [asyncio.ensure_future(anext(stream)) for stream in streams]
        await asyncio.sleep(0)
        responses = wire.responses
        await append(store, *numbered(40))
        batches = await asyncio.gather(*next_batches)

    assert told(batches[0]).entries == list(range(1, 41))
    assert {id(batch.data) for batch in batches} == {id(batches[0].data)}
    assert wire.responses == responses + 1
    assert wire.items == list(range(1, 41))
    assert calls.count == {wanted: 40}


async def test_different_filters_share_what_is_written(store: SqliteStore) -> None:
    """An entry is written once for all watches of one kind, whatever else they want."""
    wire, other = PlainWire(), PlainWire(3)
    chosen = [Filter(), Filter(providers=frozenset({"acme"})), Filter(message_ids=frozenset({"m1"}))]
    async with running(store) as watches, AsyncExitStack() as opening, asyncio.timeout(20):
        streams = [await live(opening, watches, wanted, wire) for wanted in chosen]
        apart = await live(opening, watches, Filter(), other)
        await append(store, *numbered(3))
        batches = [told(await anext(stream)) for stream in (*streams, apart)]

    assert [batch.entries for batch in batches] == [[1, 2, 3], [1, 2, 3], [2], [1, 2, 3]]
    assert (sorted(wire.items), sorted(other.items)) == ([1, 2, 3], [1, 2, 3])


@pytest.mark.parametrize(
    ("quiet", "expected"),
    [
        (Filter(message_ids=frozenset({"quiet", "still"})), [301, 302]),
        (Filter(recipients=frozenset({"q@example.com"})), [301]),
        (Filter(message_ids=frozenset({"quiet"}), recipients=frozenset({"a@example.com"})), [302]),
        (Filter(providers=frozenset({"other"})), [301, 302]),
    ],
)
async def test_a_watch_of_one_message_costs_nothing_while_others_move(
    store: SqliteStore, calls: Calls, quiet: Filter, expected: list[int]
) -> None:
    """It is neither asked, nor woken, nor sent a checkpoint before its time; when its own message moves, it is told.

    So it is with one of a recipient, or of a provider.
    """
    wire = PlainWire()
    async with running(store) as watches, AsyncExitStack() as opening, asyncio.timeout(20):
        waiting = asyncio.ensure_future(anext(await live(opening, watches, quiet, wire)))
        every = await live(opening, watches, Filter(), wire)
        await asyncio.sleep(0)
        (group,) = [group for group in watches._tail._groups if group.wanted == quiet]  # noqa: SLF001
        (waiter,) = group._waiting  # noqa: SLF001
        responses = wire.responses
        await append(store, *numbered(300))
        seen = 0
        while seen < 300:
            seen = told(await anext(every)).token.position
            responses += 1
        assert group._waiting == {waiter}  # noqa: SLF001
        assert not waiter.done()
        assert wire.responses == responses
        assert quiet not in calls.count

        own = event(message_id="quiet", recipient="q@example.com", provider="other")
        both = event(message_id="quiet", event_id="both", provider="other")
        await append(store, own, both)
        batch = told(await waiting)
    assert batch.entries == expected
    assert batch.token.position == 302


async def test_groups_go_with_their_last_watch(store: SqliteStore) -> None:
    """Of a group that nobody is in any more nothing is left, neither in the index nor in what the window holds."""
    named = Filter(message_ids=frozenset({"m1", "m2"}))
    async with running(store) as watches, opened(watches, request(NOW_ON)) as stream:
        await anext(stream)
        tail = watches._tail  # noqa: SLF001
        async with opened(watches, request(NOW_ON, named)) as one, opened(watches, request(NOW_ON, named)) as another:
            await anext(one)
            await anext(another)
            assert len(tail._groups) == 2  # noqa: SLF001
            await append(store, *numbered(5))
            assert (await anext(one)).entries == [2, 3]
        assert [group.wanted for group in tail._groups] == [Filter()]  # noqa: SLF001
        (group,) = tail._groups  # noqa: SLF001
        assert [slot.first_of for slot in tail._slots] == [{group}, set(), set(), set(), set()]  # noqa: SLF001
        assert sum(map(len, tail._groups._by_message._buckets)) == 0  # noqa: SLF001
        assert (await anext(stream)).entries == [1, 2, 3, 4, 5]
