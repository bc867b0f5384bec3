"""How a SQLite file gives free space back: beside traffic, and rewritten without a server."""

import asyncio
import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from msgstate_server.domain.errors import StoreUnavailable, StoreUnusable
from msgstate_server.retention import Periods, Retention
from msgstate_server.store.sqlite import SqliteStore, SqliteUpkeep, connection, file_space
from msgstate_server.store.upkeep import Space
from tests.acceptance.in_process import run
from tests.builders import NOW, SECOND, Clock, append, event, payload, submission

if TYPE_CHECKING:
    import sqlite3 as sqlite
else:
    import pysqlite3.dbapi2 as sqlite

BODY = 64 * 1024
BODIES = 128
MIB = 1_048_576


class Usage(NamedTuple):
    """What a file system has, in bytes."""

    total: int
    used: int
    free: int


async def fill(store: SqliteStore, first: int = 0) -> None:
    """Keep bodies that do not compress, each with an event."""
    chosen = random.Random(first)  # noqa: S311
    bodies = [payload(chosen.randbytes(BODY), received=NOW) for _ in range(BODIES)]
    await store.append(
        [submission(event(message_id=f"m{number}"), payload=body) for number, body in enumerate(bodies, first)]
    )


async def discard(store: SqliteStore) -> None:
    """Delete every body that was kept."""
    after: int | None = 0
    while after is not None:
        after = (await store.discard_payloads(NOW + 1, after, 100)).next


@pytest.fixture
async def holed(store: SqliteStore) -> SqliteStore:
    """A store that kept 8 MiB of bodies and deleted them."""
    await fill(store)
    await discard(store)
    return store


def space(path: Path) -> Space:
    found = SqliteUpkeep(path).condition().space
    assert found is not None
    return found


async def finds_nothing(path: Path) -> bool:
    """Whether `msgstate check` agrees with the file."""
    return (await asyncio.to_thread(run, "check", "--store", f"sqlite:///{path}")).returncode == 0


def older_file(path: Path) -> None:
    """A file as the versions before made them, which gives nothing back by itself."""
    with closing(connection._connect(path, "mode=rwc")) as made:  # noqa: SLF001
        made.execute("PRAGMA journal_mode = WAL")
        connection.migrate(made, path)


async def test_a_file_shrinks_beside_traffic_and_keeps_a_reserve(holed: SqliteStore) -> None:
    """Each step releases no more than it may, events come in between, and 4 MiB stay free for new ones."""
    before = space(holed.path)
    steps = []
    while step := await holed.release_pages(300):
        steps.append(step)
        await append(holed, event(message_id="beside", event_id=str(len(steps))))
    await holed.close()

    after = space(holed.path)
    assert before.shrinks
    assert before.free > 7 * MIB
    assert max(steps) == 300
    assert sum(steps) > 800
    assert 4 * MIB - 300_000 < after.free <= 4 * MIB
    assert holed.path.stat().st_size == after.size < before.size - 3 * MIB
    assert await finds_nothing(holed.path)


async def test_a_large_file_keeps_a_fifth_free(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is free up to a fifth of the file stays, since new events fill it again."""
    monkeypatch.setattr(file_space, "_RESERVE_PAGES", 0)
    await fill(store)
    await discard(store)
    while await store.release_pages(1_000):
        pass
    await store.close()
    assert 0.15 < space(store.path).free / space(store.path).size <= 0.25


async def test_a_sweep_of_retention_gives_space_back(store: SqliteStore, clock: Clock) -> None:
    """After a sweep has deleted much, it releases the free pages and says so in one line."""
    await fill(store)
    clock.now += 10 * SECOND
    await Retention(store, Periods(None, None, SECOND), clock).sweep()
    assert await store.release_pages(1) == 0
    await store.close()
    assert space(store.path).free <= 4 * MIB


async def test_a_disk_that_fails_is_unavailable(holed: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the disk while space is given back is the one that retention expects."""

    def fail(_: object, __: int) -> int:
        raise sqlite.OperationalError("disk I/O error")

    monkeypatch.setattr("msgstate_server.store.sqlite.writer.release_pages", fail)
    monkeypatch.setattr("msgstate_server.store.sqlite.writer.is_io_error", lambda _: True)
    with pytest.raises(StoreUnavailable):
        await holed.release_pages(1)


async def test_compacting_leaves_the_content_as_it_was(holed: SqliteStore) -> None:
    """`compact_file` frees all that is free; the file then holds the same, and `check` finds nothing."""
    log = await holed.read_log(0, 1_000)
    await holed.close()
    before, after = SqliteUpkeep(holed.path).compact_file()

    assert before > after + 7 * MIB
    assert space(holed.path) == Space(after, 0, shrinks=True)
    assert await finds_nothing(holed.path)
    reopened = await SqliteStore.open(holed.path, Clock())
    assert await reopened.read_log(0, 1_000) == log
    await reopened.close()


async def test_an_older_file_shrinks_once_it_was_compacted(tmp_path: Path, clock: Clock) -> None:
    """A file that was made without the map it takes releases nothing; once rewritten, it does."""
    path = tmp_path / "older.db"
    older_file(path)
    store = await SqliteStore.open(path, clock)
    await fill(store)
    await discard(store)
    released = await store.release_pages(100)
    await store.close()
    assert (released, space(path).shrinks) == (0, False)

    SqliteUpkeep(path).compact_file()

    store = await SqliteStore.open(path, clock)
    await fill(store, BODIES)
    await discard(store)
    assert await store.release_pages(100) == 100
    await store.close()


async def test_a_file_that_is_served_is_not_compacted(store: SqliteStore) -> None:
    """While a server runs on the file, `compact_file` refuses and names its process."""
    with pytest.raises(StoreUnusable, match="another server"):
        SqliteUpkeep(store.path).compact_file()


async def test_a_disk_without_room_is_said_before(holed: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the copy would not fit, the error says how much room it needs, and the file is as it was."""
    await holed.close()
    before = space(holed.path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(100, 100, 1_000))
    with pytest.raises(StoreUnusable, match=r"compacting needs 1 MiB free in .*, which has 1 MiB: make room"):
        SqliteUpkeep(holed.path).compact_file()
    assert space(holed.path) == before


def test_other_files_are_refused(tmp_path: Path) -> None:
    """A file that is not there, is none of SQLite or is another program's is left alone, with what to do."""
    other, text = tmp_path / "other.db", tmp_path / "text.db"
    with closing(sqlite3.connect(other)) as made:
        made.execute("CREATE TABLE theirs (id INTEGER)")
    text.write_text("not a database, but long enough to be looked at as if it were one " * 20)
    for path, said in ((other, "another program"), (text, "not a SQLite"), (tmp_path / "none.db", "does not exist")):
        with pytest.raises(StoreUnusable, match=said):
            SqliteUpkeep(path).compact_file()
    assert not (tmp_path / "none.db").exists()


async def test_a_failed_rewrite_leaves_the_file(holed: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where SQLite runs out of disk in the middle, the file is as it was and the error says so."""
    log = await holed.read_log(0, 1_000)
    await holed.close()
    limited = connection.open_to_rewrite

    def with_few_pages(path: Path) -> sqlite.Connection:
        opened = limited(path)
        opened.execute("PRAGMA max_page_count = 1")
        opened.execute("PRAGMA temp_store = MEMORY")
        opened.set_progress_handler(lambda: 1, 200)
        return opened

    monkeypatch.setattr(file_space, "open_to_rewrite", with_few_pages)
    with pytest.raises(StoreUnusable, match="the file is as it was"):
        SqliteUpkeep(holed.path).compact_file()
    reopened = await SqliteStore.open(holed.path, Clock())
    assert await reopened.read_log(0, 1_000) == log
    await reopened.close()
