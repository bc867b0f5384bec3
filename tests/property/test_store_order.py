"""The same events in any order, doubled, cut into any batches, end in the same statuses in a real store."""

import asyncio
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import asdict, replace

from msgstate_server.domain.decision import Candidate, Disposition, Submission, candidate
from msgstate_server.store.check import Finding, Summary, check
from msgstate_server.store.protocol import Store
from tests.builders import Clock
from tests.engines import Engine
from tests.property.test_status_fold import ARRIVAL_DEPENDENT, Facts, distinct, events, fold

Arrivals = Sequence[Sequence[Sequence[Candidate]]]
"""Transactions, each of requests, each of events."""


async def commit(store: Store, arrivals: Arrivals) -> list[int]:
    """Commit all, and give the positions of what was new."""
    accepted: list[int] = []
    for transaction in arrivals:
        for outcomes in await store.append([Submission(request) for request in transaction]):
            accepted += [outcome.position for outcome in outcomes if outcome.disposition is Disposition.ACCEPTED]
    return accepted


async def facts(store: Store, message_id: str = "m") -> Facts:
    """Each recipient's status but for what rests on the order of arrival."""
    return {
        (status.message_id, status.recipient): {
            name: value for name, value in asdict(status).items() if name not in ARRIVAL_DEPENDENT
        }
        for status in await store.read_recipients(message_id, "", "", 100)
    }


async def findings(engine: Engine, folder: Path) -> list[Finding]:
    """Where the store disagrees with itself."""
    async with engine.auditor(folder).audit() as audit:
        return [finding async for finding in check(audit, Summary())]


def about(message_id: str, candidates: Sequence[Candidate]) -> list[Candidate]:
    """The same events about another message."""
    return [candidate(replace(each.event, message_id=message_id)) for each in candidates]


async def every_order(engine: Engine, folder: Path, candidates: Sequence[Candidate]) -> None:
    """Commit the events in each order there is, one a transaction, each order about a message of its own."""
    store = await engine.open(folder, Clock())
    try:
        for number, order in enumerate(permutations(candidates)):
            message_id = f"m{number}"
            await commit(store, [[[each]] for each in about(message_id, order)])
            assert await facts(store, message_id) == fold(about(message_id, candidates))
        assert await findings(engine, folder) == []
    finally:
        await store.close()


@settings(derandomize=True, deadline=None, max_examples=8)
@given(candidates=st.lists(events, min_size=4, max_size=5).map(distinct))
def test_every_order_gives_the_same_facts(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory, candidates: list[Candidate]
) -> None:
    """Up to five events end in the same statuses in every order there is."""
    asyncio.run(every_order(engine, tmp_path_factory.mktemp("order"), candidates))


async def one_arrival(engine: Engine, folder: Path, arrivals: Arrivals, expected: Facts, count: int) -> None:
    """Commit into a new store; what is in it then is right, at dense positions, and agrees with itself."""
    store = await engine.open(folder, Clock())
    try:
        assert await commit(store, arrivals) == list(range(1, count + 1))
        assert await facts(store) == expected
        assert await findings(engine, folder) == []
    finally:
        await store.close()


def cut(data: st.DataObject, items: Sequence[Any]) -> list[Sequence[Any]]:
    """The items in their order, cut at random."""
    places = sorted(data.draw(st.sets(st.integers(1, max(1, len(items) - 1)), max_size=12)))
    return [items[start:end] for start, end in zip([0, *places], [*places, len(items)], strict=True)]


@settings(derandomize=True, deadline=None, max_examples=25)
@given(candidates=st.lists(events, min_size=5, max_size=40).map(distinct), data=st.data())
def test_shuffled_doubled_and_cut_gives_the_same_facts(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory, candidates: list[Candidate], data: st.DataObject
) -> None:
    """Many events end in the same statuses however they are shuffled, repeated and cut into requests and commits."""
    repeated = data.draw(st.lists(st.sampled_from(candidates), max_size=30))
    shuffled = data.draw(st.permutations(candidates + repeated))
    arrivals = [cut(data, transaction) for transaction in cut(data, shuffled)]
    folder = tmp_path_factory.mktemp("arrival")
    asyncio.run(one_arrival(engine, folder, arrivals, fold(candidates), len(candidates)))
