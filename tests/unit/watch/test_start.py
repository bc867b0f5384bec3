"""Where a watch starts, and every start that there is no place for."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from msgstate_server.domain.errors import HistoryDiverged, PositionCompacted
from msgstate_server.store.sqlite import SqliteStore
from msgstate_server.watch.start import StartPoint, resolve
from msgstate_server.watch.token import Token
from tests.builders import NOW, SECOND, Clock, append, event
from tests.unit.watch.conftest import read, read_to, request, running

if TYPE_CHECKING:
    import sqlite3 as sqlite
else:
    import pysqlite3.dbapi2 as sqlite


async def grow(store: SqliteStore, clock: Clock, count: int, name: str = "e") -> None:
    """Commit so many events, one a second, each of a message of its own."""
    for _ in range(count):
        clock.now += SECOND
        position = store.head.position + 1
        await append(store, event(message_id=f"{name}{position}"))


async def token_at(store: SqliteStore, position: int) -> Token:
    """The token that was given out at a position."""
    if position == 0:
        return Token(store.head.log_id, 0, bytes(8))
    (entry,) = await store.read_log(position - 1, 1)
    return Token(store.head.log_id, position, entry.fingerprint)


@asynccontextmanager
async def reopened(path: Path, clock: Clock) -> AsyncIterator[SqliteStore]:
    """The store of another file, or of one that was closed."""
    store = await SqliteStore.open(path, clock)
    try:
        yield store
    finally:
        await store.close()


async def test_empty_log(store: SqliteStore) -> None:
    """Before the first event every start is position 0, and its token is good later too."""
    expected = Token(store.head.log_id, 0, bytes(8))
    for start in (StartPoint.EARLIEST, StartPoint.NOW, 0, NOW, expected):
        assert await resolve(store, start) == expected
    await append(store, event())
    assert await resolve(store, expected) == expected


async def test_ends_of_the_log(store: SqliteStore, clock: Clock) -> None:
    """EARLIEST is before the first event, NOW after the last."""
    await grow(store, clock, 10)
    assert await resolve(store, StartPoint.EARLIEST) == await token_at(store, 0)
    assert await resolve(store, StartPoint.NOW) == await token_at(store, 10)


@pytest.mark.parametrize("position", range(11))
async def test_token_of_any_position(store: SqliteStore, clock: Clock, position: int) -> None:
    """A token stands for the place at which it was given out."""
    await grow(store, clock, 10)
    token = await token_at(store, position)
    assert await resolve(store, token) == token


async def test_times(store: SqliteStore, clock: Clock) -> None:
    """A time means before the first event that was committed then or later."""
    await grow(store, clock, 10)
    for start_time, position in [
        (-1, 0),
        (NOW, 0),
        (NOW + SECOND, 0),
        (NOW + SECOND + 1, 1),
        (NOW + 5 * SECOND, 4),
        (NOW + 10 * SECOND, 9),
        (NOW + 10 * SECOND + 1, 10),
        (NOW + 99 * SECOND, 10),
    ]:
        assert await resolve(store, start_time) == await token_at(store, position), start_time - NOW


async def test_token_of_another_log(store: SqliteStore, clock: Clock, tmp_path: Path) -> None:
    """A token of another store is told from one of this, though the position is there."""
    await grow(store, clock, 3)
    async with reopened(tmp_path / "other.db", clock) as other:
        await grow(other, clock, 3)
        for start in (await token_at(other, 0), await token_at(other, 2), Token.at(other.head)):
            with pytest.raises(HistoryDiverged, match=r"^the token is of another log; read the statuses anew"):
                await resolve(store, start)


@pytest.fixture
async def restored(store: SqliteStore, clock: Clock, tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """The store as it was at position 10, from a copy; the store itself went on to 15."""
    await grow(store, clock, 10)
    await store.close()
    copy = Path(shutil.copy(store.path, tmp_path / "copy.db"))
    async with reopened(store.path, clock) as went_on:
        await grow(went_on, clock, 5)
    async with reopened(copy, clock) as restored:
        yield restored


async def test_log_that_lost_its_end(restored: SqliteStore, store: SqliteStore, clock: Clock) -> None:
    """A token from before the copy is good; one from after it is ahead of the log."""
    async with reopened(store.path, clock) as went_on:
        good, ahead = [await token_at(went_on, position) for position in (0, 4, 10)], await token_at(went_on, 11)
    for token in good:
        assert await resolve(restored, token) == token
    with pytest.raises(HistoryDiverged, match=r"^the token is of position 11 and the log ends at 10: it was restored"):
        await resolve(restored, ahead)


@pytest.mark.parametrize("grown", [1, 3, 5, 9])
async def test_log_that_grew_another_way(restored: SqliteStore, store: SqliteStore, clock: Clock, grown: int) -> None:
    """A restored log that grew past the token, or up to it, has another row there: the same time is no excuse."""
    clock.now = NOW + 10 * SECOND
    await grow(restored, clock, grown, "other")
    async with reopened(store.path, clock) as went_on:
        tokens = [await token_at(went_on, position) for position in range(11, 11 + min(grown, 5))]
    for token in tokens:
        with pytest.raises(HistoryDiverged, match=rf"^position {token.position} holds another event than when"):
            await resolve(restored, token)


async def test_forged_fingerprint(store: SqliteStore, clock: Clock) -> None:
    """A token whose row is not the log's is refused at the head, within the log and at its floor."""
    await grow(store, clock, 3)
    for position in (0, 2, 3):
        with pytest.raises(HistoryDiverged):
            await resolve(store, Token(store.head.log_id, position, b"elsewhat"))


@pytest.fixture
async def compacted(store: SqliteStore, clock: Clock) -> AsyncIterator[SqliteStore]:
    """A log of 10 whose floor is 5: of the rows up to it, 2 and 4 survive."""
    await grow(store, clock, 10)
    floor = await token_at(store, 5)
    await store.close()
    connection = sqlite.connect(store.path, isolation_level=None)
    connection.execute("DELETE FROM event WHERE position IN (1, 3, 5)")
    floor_row = (floor.fingerprint, NOW + 5 * SECOND)
    connection.execute("UPDATE head SET floor = 5, floor_fingerprint = ?, floor_time = ?", floor_row)
    connection.close()
    async with reopened(store.path, clock) as compacted:
        yield compacted


async def test_token_below_the_floor(compacted: SqliteStore) -> None:
    """A token of a place that is no longer kept is refused with the first position that is, whatever it says."""
    for position in (0, 1, 2, 4):
        with pytest.raises(PositionCompacted, match=r"^the log is kept from position 6 on; ") as caught:
            await resolve(compacted, Token(compacted.head.log_id, position, bytes(8)))
        assert caught.value.metadata == {"earliest_position": "6"}


async def test_token_at_the_floor_and_above(compacted: SqliteStore) -> None:
    """A token of the last deleted row is good still, if it is that row's; those above are good as ever."""
    floor = Token(compacted.head.log_id, 5, compacted.head.floor_fingerprint)
    for token in (floor, await token_at(compacted, 6), await token_at(compacted, 10)):
        assert await resolve(compacted, token) == token
    with pytest.raises(HistoryDiverged):
        await resolve(compacted, floor._replace(fingerprint=bytes(8)))


async def test_earliest_is_the_floor(compacted: SqliteStore) -> None:
    """EARLIEST begins after the floor: rows that survive below it are never watched."""
    token = await resolve(compacted, StartPoint.EARLIEST)
    assert token == Token(compacted.head.log_id, 5, compacted.head.floor_fingerprint)
    async with running(compacted) as watches:
        assert read(await read_to(watches, request(), 10)) == [6, 7, 8, 9, 10]


async def test_times_in_a_compacted_log(compacted: SqliteStore) -> None:
    """A time below the retained log is refused; one within it, or after it, means what it always meant."""
    for start_time in (0, NOW + SECOND, NOW + 5 * SECOND):
        with pytest.raises(PositionCompacted, match=r"^the log is kept from position 6 on; "):
            await resolve(compacted, start_time)
    floor = Token(compacted.head.log_id, 5, compacted.head.floor_fingerprint)
    for start_time in (NOW + 5 * SECOND + 1, NOW + 6 * SECOND):
        assert await resolve(compacted, start_time) == floor
    for start_time, position in ((NOW + 7 * SECOND, 6), (NOW + 10 * SECOND, 9), (NOW + 99 * SECOND, 10)):
        assert await resolve(compacted, start_time) == await token_at(compacted, position)


async def test_log_of_which_nothing_is_left(compacted: SqliteStore, clock: Clock) -> None:
    """Where every row is gone, the head and EARLIEST are one place, and a time after the last event is good."""
    fingerprint = compacted.head.fingerprint
    await compacted.close()
    connection = sqlite.connect(compacted.path, isolation_level=None)
    connection.execute("DELETE FROM event")
    connection.execute("UPDATE head SET floor = 10, floor_fingerprint = fingerprint, floor_time = commit_time")
    connection.close()
    async with reopened(compacted.path, clock) as empty:
        place = Token(empty.head.log_id, 10, fingerprint)
        for start in (StartPoint.EARLIEST, StartPoint.NOW, NOW + 99 * SECOND, place):
            assert await resolve(empty, start) == place
        with pytest.raises(PositionCompacted, match="from position 11 on"):
            await resolve(empty, NOW + 10 * SECOND)
