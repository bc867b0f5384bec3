"""The log and its head: what watches and resume tokens rest on."""

import asyncio
from pathlib import Path

import pytest

from msgstate_server.domain.errors import HistoryDiverged
from msgstate_server.domain.log import EMPTY_FINGERPRINT
from msgstate_server.store.protocol import Store
from tests.builders import NOW, SECOND, append, event, numbered, positions
from tests.contract.conftest import Place


async def test_head_of_an_empty_log(store: Store) -> None:
    """Before the first event the head is at position 0, and names the log already."""
    head = store.head
    assert (head.position, head.commit_time, head.fingerprint) == (0, 0, EMPTY_FINGERPRINT)
    assert (head.floor, head.floor_fingerprint) == (0, EMPTY_FINGERPRINT)
    assert len(head.log_id) == 16


async def test_head_is_the_last_entry(place: Place) -> None:
    """After every transaction, and after reopening, the head has the last row's position, time and fingerprint."""
    for size in (1, 3, 20):
        place.clock.now += SECOND
        await append(place.store, *numbered(size, messages=2, first=100 * size))
        head = place.store.head
        assert head == await place.store.read_head()
        (last,) = await place.store.read_log(head.position - 1, 10)
        assert (head.position, head.commit_time, head.fingerprint) == (last.position, place.clock.now, last.fingerprint)
        await place.reopen()
        assert place.store.head == head


async def test_log_id_names_one_log(place: Place, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The log's id stays over reopening, and another store's is another."""
    log_id = place.store.head.log_id
    await place.reopen()
    assert place.store.head.log_id == log_id
    other = await place.engine.open(tmp_path_factory.mktemp("other"), place.clock)
    try:
        assert other.head.log_id != log_id
    finally:
        await other.close()


async def test_wait_for_head_wakes_on_commit(store: Store) -> None:
    """Everyone who waits beyond a position is woken by the commit that passes it, and not by an earlier one."""
    waiting = [asyncio.create_task(store.wait_for_head(beyond)) for beyond in (0, 0, 1, 2)]
    await append(store, event(event_id="1"))
    assert [(await task).position for task in waiting[:2]] == [1, 1]
    assert not waiting[2].done()
    await append(store, event(event_id="2"), event(event_id="3"))
    assert [(await task).position for task in waiting[2:]] == [3, 3]


async def test_wait_for_head_returns_at_once(store: Store) -> None:
    """Where the head is beyond already, there is nothing to wait for."""
    await append(store, *numbered(3))
    async with asyncio.timeout(5):
        assert await store.wait_for_head(2) == store.head


async def test_waiting_for_the_head_can_be_cancelled(store: Store) -> None:
    """A cancelled waiter leaves nothing behind: the store goes on, and others still wake."""
    gone, stays = (asyncio.create_task(store.wait_for_head(0)) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    await append(store, event())
    assert (await stays).position == 1


async def test_duplicates_do_not_move_the_head(store: Store) -> None:
    """A transaction that brings nothing new leaves the head as it is."""
    await append(store, event())
    head = store.head
    await append(store, event())
    assert store.head == head


@pytest.mark.parametrize("limit", [1, 3, 7, 25, 1_000])
async def test_read_log_in_pages(store: Store, limit: int) -> None:
    """Pages of any size, one after another, give the whole log in order."""
    await append(store, *numbered(25, messages=3))
    read: list[int] = []
    while page := await store.read_log(read[-1] if read else 0, limit):
        assert len(page) <= limit
        read += positions(page)
    assert read == list(range(1, 26))


@pytest.mark.parametrize("limit", [1, 7, 1_000])
async def test_follow_log_reads_the_same(store: Store, limit: int) -> None:
    """Who follows the log's end reads what `read_log` gives, from any place to any other."""
    assert await store.follow_log(0, limit) == []
    await append(store, *numbered(25, messages=3))
    for after in (0, 1, 20, 24, 25, 99):
        assert await store.follow_log(after, limit) == await store.read_log(after, limit)


async def test_the_end_of_the_log_waits_for_no_page(store: Store) -> None:
    """What is new, the head, and where a watch starts are read while many pages of the log wait to be read."""
    for first in range(0, 10_000, 2_500):
        await append(store, *numbered(2_500, messages=50, first=first))
    pages = [asyncio.create_task(store.read_log(0, 10_000)) for _ in range(30)]
    await asyncio.sleep(0)
    head = await store.read_head()
    (last,) = await store.follow_log(9_999, 250)
    assert (last.position, last.fingerprint) == (10_000, await store.fingerprint_at(10_000))
    assert (await store.last_before(head.commit_time + 1))[0] == 10_000
    assert sum(page.done() for page in pages) < 15
    assert {len(page) for page in await asyncio.gather(*pages)} == {10_000}


async def test_read_log_beyond_the_end(store: Store) -> None:
    """After the last row, or in an empty log, there is nothing."""
    assert await store.read_log(0, 10) == []
    await append(store, *numbered(2))
    assert await store.read_log(2, 10) == []
    assert await store.read_log(99, 10) == []


async def test_last_before(place: Place) -> None:
    """The last row committed before a time: none, one between, one of several at an equal time, the last."""
    store = place.store
    assert await store.last_before(NOW) == (0, EMPTY_FINGERPRINT)
    committed = [NOW, NOW, NOW + 10, NOW + 20, NOW + 20, NOW + 20, NOW + 30]
    for number, now in enumerate(committed):
        place.clock.now = now
        await append(store, event(event_id=str(number)))
    for time in (0, NOW - 1, *range(NOW, NOW + 32), 2**63 - 1):
        expected = sum(commit_time < time for commit_time in committed)
        assert await store.last_before(time) == (expected, await store.fingerprint_at(expected)), time - NOW


async def test_fingerprint_at(store: Store) -> None:
    """Every position has its row's fingerprint, and the one before the first has that of no row."""
    await append(store, *numbered(5))
    expected = [EMPTY_FINGERPRINT, *(entry.fingerprint for entry in await store.read_log(0, 10))]
    assert expected == [await store.fingerprint_at(position) for position in range(6)]


@pytest.mark.parametrize("method", ["read_log", "follow_log"])
async def test_who_reads_on_is_told_where_the_log_is_another(place: Place, method: str) -> None:
    """Rows come after one that is what it was, the floor's included, and after none that is not, or is not there."""
    await append(place.store, *numbered(5))
    place.clock.now += SECOND
    await append(place.store, *numbered(3, first=5))
    for floor in (0, 5):
        await place.store.compact(NOW + floor, 0, 100)
        read = getattr(place.store, method)
        for after in range(floor, 9):
            expected = await place.store.fingerprint_at(after)
            assert positions(await read(after, 2, expected)) == list(range(after + 1, min(after + 3, 9)))
            with pytest.raises(HistoryDiverged):
                await read(after, 2, b"elsewhat")
        with pytest.raises(HistoryDiverged):
            await read(9, 2, b"elsewhat")


async def test_two_stores_do_not_meet(place: Place, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Events of one store are not in another that is open beside it."""
    folder: Path = tmp_path_factory.mktemp("other")
    other = await place.engine.open(folder, place.clock)
    try:
        await append(place.store, event())
        assert (other.head.position, await other.read_log(0, 10)) == (0, [])
        assert await other.read_recipients("m", "", "", 10) == []
    finally:
        await other.close()
