"""Whatever is appended, wanted, read slowly or resumed: a watch is the slice of the log behind its start, filtered."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from msgstate_server.domain.log import LogEntry
from msgstate_server.domain.states import State
from msgstate_server.store.protocol import Store
from msgstate_server.watch import Watches
from msgstate_server.watch.filter import Filter, shard
from msgstate_server.watch.names import Hashes, Names
from msgstate_server.watch.start import StartPoint
from msgstate_server.watch.token import Token
from tests.builders import TYPES, Clock, append, event
from tests.engines import Engine
from tests.unit.watch.conftest import Told, opened, request, running

MESSAGES, RECIPIENTS, PROVIDERS = ("m", "n", "o", "p"), ("a", "b"), ("x", "y")
DEADLINE: Final = 20

Step = tuple[str, int]
"""Append so many events, let a watcher read so many responses, or begin it anew from its token of so many ago."""


class Sizes(NamedTuple):
    """How small the window, the pages and the responses are."""

    window: int
    page: int
    batch: int


steps = st.lists(
    st.tuples(st.sampled_from(("append", "read", "read", "resume")), st.integers(1, 9)), min_size=4, max_size=16
)


def held(texts: st.SearchStrategy[frozenset[str]]) -> st.SearchStrategy[Names]:
    """Texts as a filter holds them that has few, and as one that has many."""
    return st.one_of(texts, texts.map(Hashes))


filters = st.builds(
    Filter()._replace,
    message_ids=held(st.frozensets(st.sampled_from(MESSAGES), max_size=2)),
    recipients=held(st.sampled_from([frozenset[str](), frozenset({"a"})])),
    providers=held(st.sampled_from([frozenset[str](), frozenset[str](), frozenset({"x"}), frozenset({"nobody"})])),
    to_states=st.sampled_from([frozenset[State](), frozenset[State](), frozenset({State.FAILED})]),
    moved_alone=st.booleans(),
)


def wants(wanted: Filter, entry: LogEntry) -> bool:
    """What the filter's words say, in the plainest way."""
    about = entry.event
    return (
        (not wanted.message_ids or about.message_id in wanted.message_ids)
        and (not wanted.recipients or about.recipient in wanted.recipients)
        and (not wanted.providers or about.provider in wanted.providers)
        and (not wanted.to_states or entry.after.state in wanted.to_states)
        and (not wanted.moved_alone or entry.before is not entry.after)
        and shard(about.provider, about.message_id, wanted.shard_count) == wanted.shard_index
    )


class Log:
    """A store that grows by events that are all different."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self.count = 0

    async def grow(self, count: int) -> None:
        self.clock.now += count % 3
        numbers = range(self.count, self.count + count)
        await append(
            self.store,
            *(
                event(
                    TYPES[number * 7 % len(TYPES)],
                    message_id=MESSAGES[number * 5 % 4],
                    recipient=RECIPIENTS[number // 3 % 2],
                    provider=PROVIDERS[number // 5 % 2],
                    event_id=str(number),
                )
                for number in numbers
            ),
        )
        self.count += count

    async def entries(self) -> list[LogEntry]:
        return await self.store.read_log(0, 1_000)


@asynccontextmanager
async def empty_log(engine: Engine, folder: Path) -> AsyncIterator[Log]:
    """A log in a store of its own."""
    clock = Clock()
    store = await engine.open(folder, clock)
    try:
        yield Log(store, clock)
    finally:
        await store.close()
        engine.remove()


class Reader:
    """Reads one watch at its own pace, and begins anew from any token that it was given."""

    def __init__(self, watches: Watches, wanted: Filter, max_batch: int) -> None:
        self.watches = watches
        self.wanted = wanted
        self.max_batch = max_batch
        self.segments: list[list[Told]] = []
        self._open = AsyncExitStack()

    async def begin(self, start: Token | StartPoint, wanted: Filter | None = None) -> None:
        await self._open.aclose()
        self.wanted = wanted or self.wanted
        asked = request(start, self.wanted, 0.005, self.max_batch)
        self._stream = await self._open.enter_async_context(opened(self.watches, asked))
        self.segments.append([await anext(self._stream)])

    async def read(self, count: int) -> None:
        for _ in range(count):
            self.segments[-1].append(await anext(self._stream))

    async def read_to(self, position: int) -> None:
        while self.segments[-1][-1].token.position < position:
            await self.read(1)

    async def resume(self, back: int) -> None:
        await self.begin(self.segments[-1][-min(back, len(self.segments[-1]))].token)

    async def close(self) -> None:
        await self._open.aclose()


def judge(segment: list[Told], log: list[LogEntry], wanted: Filter) -> None:
    """Hold the responses of one watch against the log: each covers exactly its part of it."""
    assert segment[0].entries == []
    for earlier, later in pairwise(segment):
        begin, end = earlier.token.position, later.token.position
        assert begin <= end <= later.head_position <= log[-1].position
        assert later.entries == [each.position for each in log[begin:end] if wants(wanted, each)]
        assert end == 0 or later.token.fingerprint == log[end - 1].fingerprint


async def drive(engine: Engine, folder: Path, wanted: list[Filter], plan: list[list[Step]], sizes: Sizes) -> None:
    """Carry out each reader's steps in turn, then let all read to the end."""
    async with (
        asyncio.timeout(DEADLINE),
        empty_log(engine, folder) as log,
        running(log.store, window=sizes.window, page=sizes.page) as watches,
    ):
        await log.grow(sizes.window)
        readers = [Reader(watches, each, sizes.batch) for each in wanted]
        for number, reader in enumerate(readers):
            await reader.begin((StartPoint.EARLIEST, StartPoint.NOW)[number % 2])
        for number in range(max(map(len, plan))):
            for reader, own in zip(readers, plan, strict=True):
                await take(reader, log, own[number] if number < len(own) else ("read", 1))
        await log.grow(1)
        for reader in readers:
            await reader.read_to(log.count)
            await reader.close()
        entries = await log.entries()
        for reader in readers:
            assert reader.segments[-1][-1].live
            for segment in reader.segments:
                judge(segment, entries, reader.wanted)
        assert watches.count == 0
        assert len(watches._tail._groups) == len(watches._tail._slots) == 0  # noqa: SLF001


async def take(reader: Reader, log: Log, step: Step) -> None:
    """Carry out one step."""
    what, count = step
    match what:
        case "append":
            await log.grow(count)
        case "resume":
            await reader.resume(count)
        case _:
            await reader.read(min(count, 3))


@settings(max_examples=15, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
@given(
    st.lists(filters, min_size=3, max_size=3),
    st.lists(steps, min_size=3, max_size=3),
    st.builds(Sizes, st.integers(1, 9), st.integers(1, 5), st.sampled_from((1, 2, 7, 1_000))),
)
def test_a_watch_is_a_slice_of_the_log(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory, wanted: list[Filter], plan: list[list[Step]], sizes: Sizes
) -> None:
    """In order, without gap or repeat, each response from where the one before ended to its own token."""
    asyncio.run(drive(engine, tmp_path_factory.mktemp("watches"), wanted, plan, sizes))


async def drive_shards(engine: Engine, folder: Path, counts: tuple[int, int], size: int, page: int) -> None:
    """Read all shares of one count up to any place, and from each token all shares of another count."""
    async with (
        asyncio.timeout(DEADLINE),
        empty_log(engine, folder) as log,
        running(log.store, window=4, page=page) as watches,
    ):
        await log.grow(size)
        entries = await log.entries()
        for moved_alone in (False, True):
            first = [
                Filter(shard_index=each, shard_count=counts[0], moved_alone=moved_alone) for each in range(counts[0])
            ]
            whole = [each.position for each in entries if wants(Filter(moved_alone=moved_alone), each)]
            shares: list[list[Told]] = []
            for wanted in first:
                reader = Reader(watches, wanted, 2)
                await reader.begin(StartPoint.EARLIEST)
                await reader.read_to(size)
                await reader.close()
                judge(reader.segments[0], entries, wanted)
                shares.append(reader.segments[0])
            assert sorted(each for share in shares for told in share for each in told.entries) == whole
            token = shares[0][len(shares[0]) // 2].token
            rest: list[int] = []
            for index in range(counts[1]):
                reader = Reader(watches, Filter(shard_index=index, shard_count=counts[1], moved_alone=moved_alone), 3)
                await reader.begin(token)
                await reader.read_to(size)
                await reader.close()
                rest += [each for told in reader.segments[0] for each in told.entries]
            assert sorted(rest) == [each for each in whole if each > token.position]


@settings(max_examples=6, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
@given(st.tuples(st.integers(1, 7), st.integers(1, 7)), st.integers(1, 60), st.integers(1, 9))
def test_shares_are_disjoint_and_whole(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory, counts: tuple[int, int], size: int, page: int
) -> None:
    """Together they are the log, also where their number changes midway: the token of any share begins all others."""
    asyncio.run(drive_shards(engine, tmp_path_factory.mktemp("shares"), counts, size, page))
