"""How SQLite reads beside other things: a long read keeps nobody waiting, and a page is one view of the store."""

import asyncio
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from msgstate_server.domain.errors import StoreUnavailable
from msgstate_server.store.protocol import MessageKey, StatusFilter
from msgstate_server.store.sqlite import SqliteStore, listing, messages
from msgstate_server.store.sqlite.connection import open_for_reading
from msgstate_server.store.sqlite.queries import SQL
from msgstate_server.store.sqlite.recent import RecentLog
from tests.builders import append, event, numbered, submission

if TYPE_CHECKING:
    import sqlite3 as sqlite
else:
    import pysqlite3.dbapi2 as sqlite

Ask = Callable[[sqlite.Connection, messages.Part, int], list[Any]]
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
    await append(store, *numbered(40))
    new = iter(range(1_000))

    def commit() -> None:
        store._writer.write([submission(event(message_id=f"new{next(new)}"))])  # noqa: SLF001

    found: list[str] = []
    before: int | None = None
    with closing(open_for_reading(store.path)) as connection:
        reading: Any = Interrupted(connection, SQL["last_candidate"].split("(", 1)[0], commit)
        while True:
            page = listing.list_recipients(reading, StatusFilter(), before, 100)
            found += [stored.status.message_id for stored in page.statuses]
            before = page.next
            if before is None:
                break
    assert found == [f"m{number}" for number in range(39, -1, -1)]


def steps(connection: sqlite.Connection, ask: Ask, keys: list[MessageKey]) -> int:
    """The thousands of steps that SQLite takes to answer."""
    taken = 0

    def count() -> int:
        nonlocal taken
        taken += 1
        return 0

    connection.set_progress_handler(count, 1_000)
    for part in messages.parts(keys):
        ask(connection, part, 6)
    return taken


@pytest.mark.parametrize(("ask", "name"), [(messages.read_messages, "m"), (messages.find_by_aliases, "alias")])
async def test_many_providers_of_one_id_take_one_walk(store: SqliteStore, ask: Ask, name: str) -> None:
    """To ask for a message of many recipients under 40 providers takes a few times the work of one, not 40 times."""
    await append(store, *(event(recipient=str(number), aliases=["alias"]) for number in range(2_000)))
    with closing(open_for_reading(store.path)) as connection:
        alone = steps(connection, ask, [MessageKey("nobody", name)])
        together = steps(connection, ask, [MessageKey(f"p{number}", name) for number in range(40)])
    assert alone > 10
    assert together < 4 * alone
