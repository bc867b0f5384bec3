"""The head as one replica shows it, beside others that move it and standbys that lost part of it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack

import pytest

from msgstate_server.domain.decision import Submission
from msgstate_server.domain.errors import HistoryDiverged, StoreUnavailable
from msgstate_server.store.postgres import PostgresStore
from msgstate_server.store.postgres.writer import Written
from tests.builders import Clock, append, event, numbered, positions
from tests.postgres.databases import Databases


@pytest.fixture
async def replicas(postgres_dsn: str) -> AsyncIterator[tuple[PostgresStore, PostgresStore]]:
    async with AsyncExitStack() as opened:
        one, other = [await PostgresStore.open(postgres_dsn, Clock()) for _ in range(2)]
        opened.push_async_callback(one.close)
        opened.push_async_callback(other.close)
        yield one, other


async def test_a_commit_that_another_overtakes_is_no_lost_end(
    replicas: tuple[PostgresStore, PostgresStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The head stays where it is when the answer to an older commit comes late, and whoever waits hears nothing."""
    one, other = replicas
    committed, overtaken = asyncio.Event(), asyncio.Event()
    write = one._writer.write  # noqa: SLF001

    async def written_late(submissions: Sequence[Submission]) -> Written:
        written = await write(submissions)
        committed.set()
        await overtaken.wait()
        return written

    monkeypatch.setattr(one._writer, "write", written_late)  # noqa: SLF001
    appending = asyncio.create_task(append(one, event(message_id="first")))
    await committed.wait()
    assert positions(await append(other, event(message_id="second"))) == [2]
    await one.read_head()
    waiting = asyncio.create_task(one.wait_for_head(2))
    await asyncio.sleep(0)
    overtaken.set()

    assert positions(await appending) == [1]
    assert one.head.position == 2
    await append(other, event(message_id="third"))
    assert (await waiting).position == 3


async def test_who_waits_later_hears_of_a_lost_end(
    replicas: tuple[PostgresStore, PostgresStore], postgres: Databases, postgres_dsn: str
) -> None:
    """Where nobody waits when the log turns out to have lost its end, the next who waits is told, and once."""
    one, _ = replicas
    await append(one, *numbered(5))
    database = postgres_dsn.rpartition("/")[2]
    postgres.query("DELETE FROM msgstate.event WHERE position > 3", database=database)
    postgres.query("UPDATE msgstate.head SET position = 3", database=database)
    while (await one.read_head()).position != 3:
        pass

    with pytest.raises(HistoryDiverged):
        await asyncio.wait_for(one.wait_for_head(5), 10)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(one.wait_for_head(5), 0.2)


async def test_who_read_beside_each_other_tell_of_a_lost_end_once(
    replicas: tuple[PostgresStore, PostgresStore], postgres: Databases, postgres_dsn: str
) -> None:
    """Two who look at the head at the same time find one loss, and whoever was told of it is not told again."""
    one, _ = replicas
    await append(one, *numbered(5))
    database = postgres_dsn.rpartition("/")[2]
    waiting = asyncio.create_task(one.wait_for_head(5))
    postgres.query("UPDATE msgstate.head SET position = 3", database=database)
    await asyncio.gather(*(one.read_head() for _ in range(5)))

    with pytest.raises(HistoryDiverged):
        await asyncio.wait_for(waiting, 10)
    assert (one.head.position, one._lost) == (3, 1)  # noqa: SLF001


async def test_the_head_is_followed_through_a_restore(
    replicas: tuple[PostgresStore, PostgresStore], postgres: Databases, postgres_dsn: str
) -> None:
    """While the tables are gone the store is away, for writers, readers and those who wait; then all goes on."""
    one, other = replicas
    database = postgres_dsn.rpartition("/")[2]
    await append(one, event())
    waiting = asyncio.create_task(one.wait_for_head(1))
    await asyncio.sleep(0)
    postgres.query("ALTER SCHEMA msgstate RENAME TO restored", database=database)
    for call in (append(one, event()), one.read_head(), one.read_log(0, 1), waiting):
        with pytest.raises(StoreUnavailable):
            await call
    postgres.query("ALTER SCHEMA restored RENAME TO msgstate", database=database)

    waiting = asyncio.create_task(one.wait_for_head(1))
    assert positions(await append(other, event(message_id="after"))) == [2]
    assert (await asyncio.wait_for(waiting, 10)).position == 2


async def test_the_head_is_followed_whatever_goes_wrong(
    replicas: tuple[PostgresStore, PostgresStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of msgstate's own while it looks at the head keeps nobody from what comes after."""
    one, other = replicas
    failed = asyncio.Event()

    def fail(*_: object) -> None:
        failed.set()
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr(one, "_show", fail)
        waiting = asyncio.create_task(one.wait_for_head(0))
        await failed.wait()
        with pytest.raises(StoreUnavailable):
            await asyncio.wait_for(waiting, 10)
    waiting = asyncio.create_task(one.wait_for_head(0))
    await append(other, event())
    assert (await asyncio.wait_for(waiting, 10)).position == 1
