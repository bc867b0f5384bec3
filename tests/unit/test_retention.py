"""The loop that deletes what is old: when, in what steps, and what keeps it from ending."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import structlog

from msgstate_server.domain.errors import StoreUnavailable
from msgstate_server.retention import Periods, Retention
from msgstate_server.store.protocol import Step, Store
from msgstate_server.store.sqlite import SqliteStore
from tests.builders import SECOND, Clock, append, event, numbered, payload, submission

PERIODS = Periods(log=10 * SECOND, status=20 * SECOND, payload=5 * SECOND)


@asynccontextmanager
async def running(retention: Retention) -> AsyncIterator[None]:
    """The loop, cancelled at the end."""
    task = asyncio.create_task(retention.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool]) -> None:
    """Return once the condition holds; fail after 20 seconds."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  (there is no event to wait for)
            await asyncio.sleep(0.002)


async def test_each_thing_has_its_own_period(store: SqliteStore, clock: Clock) -> None:
    """Bodies go first, then the log, then the recipient; each sweep that deleted something says so in one line."""
    retention = Retention(store, PERIODS, clock, rows=2)
    await store.append([submission(*numbered(5), payload=payload(received=clock.now))])
    found = []
    for seconds in (5, 1, 4, 1, 9, 1, 1):
        clock.now += seconds * SECOND
        with structlog.testing.capture_logs() as logs:
            await retention.sweep()
        found.append([(line["payloads"], line["events"], line["recipients"]) for line in logs])
    assert found == [[], [(1, 0, 0)], [], [(0, 5, 0)], [], [(0, 0, 5)], []]
    assert store.head.floor == 5


async def test_forever(store: SqliteStore, clock: Clock) -> None:
    """What has no period is kept."""
    await store.append([submission(*numbered(5), payload=payload(received=clock.now))])
    clock.now += 10_000_000 * SECOND
    await Retention(store, Periods(None, None, None), clock).sweep()
    assert (store.head.floor, len(await store.read_log(0, 10))) == (0, 5)


async def test_it_sweeps_at_the_start_and_again(store: SqliteStore, clock: Clock) -> None:
    """The first sweep comes at once, and others follow it."""
    await append(store, event(message_id="m1"))
    clock.now += 11 * SECOND
    async with running(Retention(store, PERIODS, clock, sweep_seconds=0.01)):
        await until(lambda: store.head.floor == 1)
        await append(store, event(message_id="m2"))
        clock.now += 11 * SECOND
        await until(lambda: store.head.floor == 2)


class Failing:
    """A store whose first steps fail."""

    def __init__(self, store: Store, *errors: Exception) -> None:
        self.store, self.errors = store, list(errors)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    async def compact(self, silent_since: int, after: int, limit: int) -> Step:
        """Fail as long as there are errors left."""
        if self.errors:
            raise self.errors.pop()
        return await self.store.compact(silent_since, after, limit)


@pytest.mark.parametrize(("error", "level"), [(StoreUnavailable("full"), "warning"), (RuntimeError("a bug"), "error")])
async def test_it_outlives_what_fails(store: SqliteStore, clock: Clock, error: Exception, level: str) -> None:
    """Where the database refuses, or anything else goes wrong, the next sweep tries again, and the log has a line."""
    await append(store, event())
    clock.now += 11 * SECOND
    failing: Any = Failing(store, error, error)
    with structlog.testing.capture_logs() as logs:
        async with running(Retention(failing, PERIODS, clock, sweep_seconds=0.01)):
            await until(lambda: store.head.floor == 1)
    assert [line["log_level"] for line in logs[:2]] == [level, level]


async def test_it_can_be_cancelled_between_steps(store: SqliteStore, clock: Clock) -> None:
    """A loop that is cancelled midway leaves a store that goes on, and the next sweep does the rest."""
    await append(store, *numbered(200))
    clock.now += 11 * SECOND
    async with running(Retention(store, PERIODS, clock, rows=1)):
        await until(lambda: store.head.floor > 3)
    assert store.head.floor < 200
    await append(store, event())
    await Retention(store, PERIODS, clock).sweep()
    assert store.head.floor == 200
