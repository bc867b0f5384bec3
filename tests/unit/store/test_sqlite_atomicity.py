"""What SQLite does when it refuses to write, and what callers are told."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest

from msgstate_server.domain.decision import Problem
from msgstate_server.domain.errors import StoreUnavailable
from msgstate_server.store.sqlite import SqliteStore
from tests.builders import append, event, numbered, payload, positions, submission
from tests.unit.store.conftest import connected

TABLES = ["recipient_status", "event", "alias", "payload", "quarantine", "head"]


@contextmanager
def refusing(store: SqliteStore, table: str) -> Iterator[None]:
    """A trigger, made by another connection, that refuses to write to a table."""
    kind = "UPDATE" if table == "head" else "INSERT"
    with connected(store.path) as connection:
        connection.execute(f"CREATE TRIGGER refuse AFTER {kind} ON {table} BEGIN SELECT raise(FAIL, 'no more'); END")
        yield
        connection.execute("DROP TRIGGER refuse")


def contents(store: SqliteStore) -> list[list[tuple[object, ...]]]:
    """Every row of every table."""
    with connected(store.path) as connection:
        return [connection.execute(f"SELECT * FROM {table}").fetchall() for table in TABLES]  # noqa: S608


@pytest.mark.parametrize("table", TABLES)
async def test_append_that_fails_midway_writes_nothing(store: SqliteStore, table: str) -> None:
    """Whichever table refuses, nothing of the transaction is in any, and the same goes through afterwards."""
    await append(store, *numbered(5))
    before, head = contents(store), store.head
    given = submission(event(aliases=["x"]), *numbered(3), payload=payload(), problems=[Problem("", "no")])
    with refusing(store, table):
        with pytest.raises(Exception, match="no more"):
            await store.append([submission(event(message_id="n")), given])
        assert contents(store) == before
    assert store.head == head
    ((outcome,), outcomes) = await store.append([submission(event(message_id="n")), given])
    assert [outcome.position, *positions(outcomes)] == [6, 7, 1, 2, 3]


async def test_locked_database_is_unavailable(store: SqliteStore) -> None:
    """Where another connection holds the write lock, callers are told to come again, in no driver's words."""
    store._connection.execute("PRAGMA busy_timeout = 0")  # noqa: SLF001
    with connected(store.path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match=r"^the database cannot be written now; try the same again later$"):
            await append(store, event())
        connection.execute("ROLLBACK")
    assert positions(await append(store, event())) == [1]


async def test_full_disk_is_unavailable(store: SqliteStore) -> None:
    """Where the file cannot grow, nothing is written; once it can, the same goes through."""
    (pages,) = store._connection.execute("PRAGMA page_count").fetchone()  # noqa: SLF001
    store._connection.execute(f"PRAGMA max_page_count = {pages}")  # noqa: SLF001
    events = numbered(500)
    with pytest.raises(StoreUnavailable, match=r"^the database cannot be written now; "):
        await append(store, *events)
    assert (store.head.position, await store.read_log(0, 10)) == (0, [])
    store._connection.execute("PRAGMA max_page_count = 1000000")  # noqa: SLF001
    assert positions(await append(store, *events)) == list(range(1, 501))


async def test_unreadable_database_is_unavailable(store: SqliteStore) -> None:
    """Where a read fails, callers are told to come again."""
    await append(store, event())
    with connected(store.path) as connection:
        connection.execute("ALTER TABLE event RENAME TO elsewhere")
        connection.execute("ALTER TABLE recipient_status RENAME TO nowhere")
    reads: list[Callable[[], Awaitable[object]]] = [
        lambda: store.read_log(0, 10),
        lambda: store.read_payload(1),
        lambda: store.read_recipients("m", "", "", 10),
        lambda: store.find_messages("m", "", 10),
    ]
    for read in reads:
        with pytest.raises(StoreUnavailable, match=r"^the database cannot be read now; try the same again later$"):
            await read()


async def test_readers_do_not_wait_for_a_writer(store: SqliteStore) -> None:
    """While a transaction is open, look-ups and pages see what was committed before."""
    await append(store, event())
    with connected(store.path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("DELETE FROM event")
        assert len(await store.read_log(0, 10)) == 1
        assert len(await store.read_recipients("m", "", "", 10)) == 1
        connection.execute("ROLLBACK")
