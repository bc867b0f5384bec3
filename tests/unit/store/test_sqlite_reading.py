"""How SQLite reads beside other things: a long read keeps nobody waiting, and a page is one view of the store."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from msgstate_server.domain.errors import StoreUnavailable
from msgstate_server.domain.events import EventType
from msgstate_server.domain.states import State
from msgstate_server.store.hashing import Hashes
from msgstate_server.store.protocol import MessageKey, StatusFilter
from msgstate_server.store.sqlite import SqliteStore, listing, messages
from msgstate_server.store.sqlite.connection import LOG_BYTES, open_for_reading
from msgstate_server.store.sqlite.queries import SQL
from msgstate_server.store.sqlite.recent import RecentLog
from tests.builders import NOW, SECOND, Clock, append, event, numbered, submission

if TYPE_CHECKING:
    import sqlite3 as sqlite
else:
    import pysqlite3.dbapi2 as sqlite

Ask = Callable[[sqlite.Connection, Hashes, messages.Part, int], list[Any]]
ENDLESS = "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers) SELECT count(*) FROM numbers"


def endless(connection: sqlite.Connection) -> object:
    """A read that never ends by itself."""
    return connection.execute(ENDLESS).fetchone()


async def test_the_log_is_read_beside_a_long_read(store: SqliteStore) -> None:
    """Watches go on while a question takes long, and closing waits for none: what runs or waits is refused."""
    await append(store, *numbered(3))
    asked = [asyncio.create_task(store._pages.run(endless)) for _ in range(3)]  # noqa: SLF001
    async with asyncio.timeout(20):
        assert len(await store.read_log(0, 10)) == 3
        assert (await store.last_before(2**62))[0] == 3
        await store.close()
        answers = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(answer) for answer in answers] == [StoreUnavailable] * 3


@pytest.mark.parametrize("missing", [(2,), (3,), (4,), (5,), (4, 5), (2, 3, 4, 5)])
async def test_a_log_with_a_hole_is_not_read(store: SqliteStore, missing: tuple[int, ...]) -> None:
    """Where a row of the log is gone that nobody deleted, a read says so: a watch has no gap."""
    await append(store, *numbered(5))
    lose(store, *missing)
    for read in (store.read_log, store.follow_log):
        for limit in (4, 10, 1_000):
            with pytest.raises(StoreUnavailable):
                await read(1, limit)
        assert await read(5, 10) == []
    if min(missing) > 2:
        assert len(await store.read_log(0, min(missing) - 1)) == min(missing) - 1


async def test_a_row_that_is_lost_is_not_found(store: SqliteStore) -> None:
    """Where a place in the log is looked for, by position or time, and its row is gone, the answer says so."""
    await append(store, *numbered(5))
    lose(store, 3, 5)
    with pytest.raises(StoreUnavailable):
        await store.fingerprint_at(5)
    with pytest.raises(StoreUnavailable):
        await store.last_before(2**62)
    assert len(await store.fingerprint_at(4)) == 8


def lose(store: SqliteStore, *lost: int) -> None:
    """Take rows out of the log, past everything that msgstate watches over, and out of what the server remembers."""
    store._recent = RecentLog()  # noqa: SLF001
    for position in lost:
        store._connection.execute("DELETE FROM event WHERE position = ?", (position,))  # noqa: SLF001


class Interrupted:
    """A connection beside which something happens before each of its statements that begins in a way."""

    def __init__(self, connection: sqlite.Connection, beginning: str, happens: Any) -> None:
        self._connection, self._beginning, self._happens = connection, beginning, happens

    def execute(self, sql: str, *values: Any) -> Any:
        if sql.startswith(self._beginning):
            self._happens()
        return self._connection.execute(sql, *values)


async def test_a_page_is_one_view(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit while a page is read, between its statements, brings no recipient onto two pages."""
    monkeypatch.setattr(listing, "SCAN", 10)
    await append(store, *(event(message_id=f"m{number}") for number in range(40)))
    on_the_way = StatusFilter(states=frozenset({State.SENT}))
    new = iter(range(1_000))

    def commit() -> None:
        store._writer.write([submission(event(message_id=f"new{next(new)}"))])  # noqa: SLF001

    found: list[str] = []
    before: int | None = None
    with closing(open_for_reading(store.path)) as connection:
        reading: Any = Interrupted(connection, SQL["last_candidate"].split("(", 1)[0], commit)
        while True:
            page = listing.RecipientLists(store._hashes).read(reading, on_the_way, before, 100)  # noqa: SLF001
            found += [stored.status.message_id for stored in page.statuses]
            before = page.next
            if before is None:
                break
    assert found == [f"m{number}" for number in range(39, -1, -1)]


@contextmanager
def counted(connection: sqlite.Connection) -> Iterator[list[int]]:
    """The thousands of steps that SQLite takes until the block ends, as the one number of a list."""
    taken = [0]

    def count() -> int:
        taken[0] += 1
        return 0

    connection.set_progress_handler(count, 1_000)
    yield taken
    connection.set_progress_handler(None, 0)


def steps(connection: sqlite.Connection, hashes: Hashes, ask: Ask, keys: list[MessageKey]) -> int:
    """The thousands of steps that SQLite takes to answer."""
    with counted(connection) as taken:
        for part in messages.parts(keys):
            ask(connection, hashes, part, 6)
    return taken[0]


@pytest.mark.parametrize(("ask", "name"), [(messages.read_messages, "m"), (messages.find_by_aliases, "alias")])
async def test_many_providers_of_one_id_take_one_walk(store: SqliteStore, ask: Ask, name: str) -> None:
    """To ask for a message of many recipients under 40 providers takes a few times the work of one, not 40 times."""
    await append(store, *(event(recipient=str(number), aliases=["alias"]) for number in range(2_000)))
    with closing(open_for_reading(store.path)) as connection:
        hashes = store._hashes  # noqa: SLF001
        alone = steps(connection, hashes, ask, [MessageKey("nobody", name)])
        together = steps(connection, hashes, ask, [MessageKey(f"p{number}", name) for number in range(40)])
    assert alone > 10
    assert together < 4 * alone


class Lists:
    """Lists of one store, in a thread of one's own."""

    def __init__(self, connection: sqlite.Connection, hashes: Hashes) -> None:
        self._connection, self._lists = connection, listing.RecipientLists(hashes)

    def page(self, wanted: StatusFilter, before: int | None, limit: int) -> tuple[list[int], int]:
        """The ids on a page, and the thousands of steps that it took."""
        with counted(self._connection) as taken:
            page = self._lists.read(self._connection, wanted, before, limit)
        return [stored.id for stored in page.statuses], taken[0]

    def calls(self, wanted: StatusFilter) -> tuple[list[int], int]:
        """The ids in the whole list, and how many calls it took."""
        found: list[int] = []
        before, calls = None, 0
        while calls == 0 or before is not None:
            page = self._lists.read(self._connection, wanted, before, 1_000)
            found += [stored.id for stored in page.statuses]
            before, calls = page.next, calls + 1
        return found, calls


@pytest.fixture
def lists(store: SqliteStore) -> Iterator[Lists]:
    with closing(open_for_reading(store.path)) as connection:
        yield Lists(connection, store._hashes)  # noqa: SLF001


async def test_a_page_amid_a_campaign_sorts_nobody(store: SqliteStore, lists: Lists) -> None:
    """Where recipients of a message lie close together, a page of few reads few rows, however many others there are."""
    campaign = StatusFilter(message_id="m")
    await append(store, *(event(recipient=str(number)) for number in range(5_000)))
    for before in (None, 3_000):
        found, taken = lists.page(campaign, before, 10)
        assert found == [*range((before or 5_001) - 1, (before or 5_001) - 11, -1)]
        assert taken < 15
    await append(store, *numbered(500))
    found, taken = lists.page(campaign, None, 10)
    assert found == [*range(5_000, 4_990, -1)]
    assert taken > 30


async def test_a_page_of_few_whose_campaign_ends_reads_few(store: SqliteStore, lists: Lists) -> None:
    """Where a campaign ends after a page, no call goes on through all that was sent before."""
    await append(store, *(event(recipient=str(number)) for number in range(1_000)))
    await append(store, *numbered(5_000))
    await append(store, *(event(recipient=str(number)) for number in range(1_000, 1_100)))
    found, taken = lists.page(StatusFilter(message_id="m"), 6_051, 50)
    assert found == [*range(6_050, 6_000, -1)]
    assert taken < 20


async def test_who_was_updated_since_is_passed_over_once(
    store: SqliteStore, lists: Lists, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list of those who were not updated since a time looks at others once, and again at those who came later."""
    monkeypatch.setattr(listing, "SCAN", 100)
    long_ago = StatusFilter(updated_before=NOW + SECOND)
    await append(store, *numbered(50))
    clock.now = NOW + SECOND
    await append(store, *numbered(2_950, first=50))
    assert lists.calls(long_ago) == ([*range(50, 0, -1)], 30)
    assert lists.calls(long_ago) == ([*range(50, 0, -1)], 2)
    clock.now = NOW + 2 * SECOND
    await append(store, *numbered(500, first=3_000))
    assert lists.calls(long_ago) == ([*range(50, 0, -1)], 7)
    # Of a later time what was seen does not tell, until it was seen that all were updated since.
    later = StatusFilter(updated_before=NOW + 2 * SECOND)
    assert lists.calls(later)[0] == [*range(3_000, 0, -1)]
    clock.now = NOW + 3 * SECOND
    await append(store, *(event(message_id=f"m{number}") for number in range(2_900)))
    assert lists.calls(later) == ([*range(3_000, 2_900, -1)], 32)
    assert lists.calls(later) == ([*range(3_000, 2_900, -1)], 4)


async def test_nobody_is_looked_for_where_all_were_forgotten(
    store: SqliteStore, lists: Lists, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ids of those who are gone cost no call, nor do they make a page short where nothing is asked for."""
    monkeypatch.setattr(listing, "SCAN", 10)
    await append(store, *numbered(2_000))
    clock.now = NOW + SECOND
    await append(store, *(event(EventType.READ, message_id=f"m{number}") for number in (*range(5), 999)))
    await append(store, event(message_id="last"))
    await store.compact(NOW + SECOND, 0, 10_000)
    await store.forget(NOW + SECOND, 0, 10_000)
    left = [2_001, 1_000, 5, 4, 3, 2, 1]
    for wanted in (StatusFilter(providers=frozenset({"acme"})), StatusFilter(updated_before=2**62)):
        assert lists.calls(wanted) == (left, 3)
    for limit in (1, 3):
        found, _ = lists.page(StatusFilter(), None, limit)
        assert found == left[:limit]


async def test_the_log_shrinks_once_a_reader_has_ended(store: SqliteStore) -> None:
    """A reader that holds the file open makes the write-ahead log grow; after it, commits cut the log to its limit."""
    limit = 256 * 1024
    store._connection.execute(f"PRAGMA journal_size_limit = {limit}")  # noqa: SLF001
    log = store.path.with_name(store.path.name + "-wal")
    first = 0
    with closing(open_for_reading(store.path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM event").fetchone()
        while log.stat().st_size <= 8 * 1024 * 1024:
            await append(store, *numbered(200, first=first))
            first += 200
    for _ in range(200):
        await append(store, *numbered(20, first=first))
        first += 20
        if log.stat().st_size <= limit:
            break
    assert log.stat().st_size <= limit


async def test_a_new_store_limits_its_log(store: SqliteStore) -> None:
    """The connection that writes has the limit set."""
    assert store._connection.execute("PRAGMA journal_size_limit").fetchone() == (LOG_BYTES,)  # noqa: SLF001
