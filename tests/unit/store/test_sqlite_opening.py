"""Opening a file, and every refusal to: each names the file and the mend."""

# ruff: noqa: ASYNC240 -- small local files

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from msgstate_server.domain.errors import StoreUnusable
from msgstate_server.store.sqlite import SqliteAuditor, SqliteStore
from msgstate_server.store.sqlite.connection import FileLock, lock_holder, open_for_reading, require_safe_library
from tests.builders import append, numbered
from tests.unit.store.conftest import connected, heard, server_process, tell


@pytest.mark.parametrize("version", [(3, 40, 1), (3, 50, 6), (3, 51, 0), (3, 51, 2), (2, 99, 9), (3, 49, 99)])
def test_library_that_loses_data_is_refused(version: tuple[int, ...]) -> None:
    """A SQLite that can lose committed pages is refused by its version, with the way to a good one."""
    found = ".".join(map(str, version))
    with pytest.raises(
        StoreUnusable, match=rf"^SQLite {found} can lose committed data.*pip install --upgrade pysqlite3"
    ):
        require_safe_library(version)


@pytest.mark.parametrize("version", [(3, 51, 3), (3, 50, 7), (3, 50, 8), (3, 52, 0), (3, 53, 0), (3, 53, 4), (4, 0, 0)])
def test_safe_library_is_taken(version: tuple[int, ...]) -> None:
    """3.51.3 and newer are safe, and 3.50.7 and newer of its line."""
    require_safe_library(version)


def test_library_that_tests_run_with_is_safe() -> None:
    """The installed library is a good one."""
    require_safe_library()


async def refusal(path: Path) -> str:
    """Why the file cannot be opened."""
    with pytest.raises(StoreUnusable) as caught:
        await SqliteStore.open(path)
    return str(caught.value)


async def audit_refusal(path: Path) -> str:
    """Why the file cannot be checked."""
    with pytest.raises(StoreUnusable) as caught:
        async with SqliteAuditor(path).audit():
            pass
    return str(caught.value)


async def test_newer_schema_is_refused(path: Path) -> None:
    """A file that a newer msgstate migrated is neither served nor checked, and stays as it is."""
    await (await SqliteStore.open(path)).close()
    with connected(path) as connection:
        connection.execute("UPDATE _sqlite_migrations SET name = '0999_later' WHERE name LIKE '0001%'")
        before = connection.execute("SELECT * FROM sqlite_schema, _sqlite_migrations, head").fetchall()
    expected = f"{path} was written by a newer msgstate (its schema has 0999_later): run that version or a later one"
    assert (await refusal(path)).startswith(expected)
    assert (await audit_refusal(path)).startswith(expected)
    with connected(path) as connection:
        assert connection.execute("SELECT * FROM sqlite_schema, _sqlite_migrations, head").fetchall() == before


async def test_file_that_is_no_database_is_refused(path: Path) -> None:
    """A file of something else is refused, and stays as it is."""
    content = b"These are my holiday notes.\n" * 100
    path.write_bytes(content)
    expected = f"{path} is not a SQLite database: give --store another file, or move this one away"
    assert await refusal(path) == expected
    assert await audit_refusal(path) == expected
    assert path.read_bytes() == content


async def test_database_of_another_program_is_refused(path: Path) -> None:
    """A SQLite file with tables that are not msgstate's is refused, and stays as it is."""
    with connected(path) as connection:
        connection.execute("CREATE TABLE holiday (place)")
    content = path.read_bytes()
    expected = f"{path} is a SQLite database of another program: give msgstate a file of its own"
    assert await refusal(path) == expected
    assert await audit_refusal(path) == expected
    assert path.read_bytes() == content


@pytest.mark.parametrize("damage", ["DELETE FROM head", "DROP TABLE head"])
async def test_damaged_file_is_refused(path: Path, damage: str) -> None:
    """A file of msgstate's that lost what it cannot do without is refused, again and again, with the mend."""
    await (await SqliteStore.open(path)).close()
    with connected(path) as connection:
        connection.execute(damage)
    assert str(path) in await refusal(path)
    assert await refusal(path) == await refusal(path)


async def test_torn_file_is_refused(path: Path) -> None:
    """A file that lost its end is refused as damaged."""
    store = await SqliteStore.open(path)
    await append(store, *numbered(500))
    await store.close()
    path.write_bytes(path.read_bytes()[:30_000])
    assert await refusal(path) == f"{path} is damaged (database disk image is malformed): restore a backup"


@pytest.mark.parametrize("name", ["missing/msgstate.db", "file/msgstate.db", "file/deep/msgstate.db"])
async def test_folder_that_cannot_be_written_is_refused(tmp_path: Path, name: str) -> None:
    """A folder that is not there, or is none, is refused by its name."""
    (tmp_path / "file").touch()
    path = tmp_path / name
    assert (await refusal(path)).startswith(f"cannot write in {path.parent} (")
    assert (await refusal(path)).endswith("give --store a file in a folder this user may write to")


async def test_folder_that_nobody_can_write_is_refused() -> None:
    """A folder where nobody may make files, root neither, is refused."""
    assert (await refusal(Path("/proc/msgstate.db"))).startswith("cannot write in /proc (")


async def test_folder_in_place_of_the_file_is_refused(path: Path) -> None:
    """A folder that has the file's name is refused."""
    path.mkdir()
    assert (await refusal(path)).startswith(f"cannot open {path} (")
    assert (await audit_refusal(path)).startswith(f"cannot open {path} (")


async def test_checking_what_does_not_exist(path: Path) -> None:
    """A check of a file that is not there says so, and makes none."""
    expected = f"{path} does not exist: name the file that `msgstate serve --store` was given"
    assert await audit_refusal(path) == expected
    assert not path.exists()


async def test_refused_file_can_be_opened_once_mended(path: Path) -> None:
    """A refusal holds on to nothing: when its cause is gone, the same process opens the file."""
    path.write_bytes(b"no database" * 100)
    await refusal(path)
    path.unlink()
    await (await SqliteStore.open(path)).close()


async def test_second_server_in_one_process_is_refused(store: SqliteStore) -> None:
    """While a store is open the same file cannot be opened again, by another name neither."""
    expected = f"another server (process {os.getpid()}) already runs on "
    assert (await refusal(store.path)).startswith(f"{expected}{store.path}: ")
    link = store.path.with_name("link.db")
    link.symlink_to(store.path)
    assert (await refusal(link)).startswith(expected)


async def test_closed_store_lets_go(path: Path) -> None:
    """After closing, the next server has the file, and no file of the library's is left."""
    for _ in range(3):
        store = await SqliteStore.open(path)
        await append(store, *numbered(3))
        await store.close()
    assert sorted(each.name for each in path.parent.iterdir()) == ["msgstate.db", "msgstate.db-lock"]


async def test_second_process_is_refused_until_the_first_is_killed(path: Path) -> None:
    """A server in another process keeps the file for as long as it lives, and what it committed outlives it."""
    with server_process(path, events=50) as process:
        tell(process)
        assert heard(process) == "open"
        message = await refusal(path)
        assert message.startswith(f"another server (process {process.pid}) already runs on {path}: ")
        assert message.endswith("Stop it, or give this one a file of its own")
        process.kill()
        process.wait()
    store = await SqliteStore.open(path)
    assert (store.head.position, len(await store.read_log(0, 100))) == (50, 50)
    await store.close()


def test_of_two_processes_that_open_a_new_file_one_wins(path: Path) -> None:
    """Two servers that start at once on a new file: one is open, the other gets the refusal and no driver's error."""
    with server_process(path) as one, server_process(path) as other:
        tell(one)
        tell(other)
        opened, refused = sorted([heard(one), heard(other)], key=lambda line: line != "open")
        assert opened == "open"
        assert refused.startswith("another server (process ")
        assert f"already runs on {path}: one SQLite file serves one server." in refused


async def test_writer_is_durable(store: SqliteStore) -> None:
    """The connection that writes waits for the disk at every commit, with its log beside the file."""
    pragmas = ("synchronous", "journal_mode", "application_id")
    values = [store._connection.execute(f"PRAGMA {name}").fetchone()[0] for name in pragmas]  # noqa: SLF001
    assert values == [2, "wal", 0x6D736773]


async def test_reader_cannot_write(store: SqliteStore) -> None:
    """What `check` reads with cannot write."""
    connection = open_for_reading(store.path)
    try:
        with pytest.raises(Exception, match="readonly"):
            connection.execute("UPDATE head SET position = 9")
    finally:
        connection.close()


def test_who_asks_for_the_holder_keeps_no_server_off(path: Path) -> None:
    """A server starts while others ask, again and again, whether one runs on the file."""
    FileLock(path).release()
    asking, asked = Event(), Event()

    def ask() -> None:
        while not asking.is_set():
            lock_holder(path)
            asked.set()

    with ThreadPoolExecutor(1) as threads:
        asker = threads.submit(ask)
        try:
            assert asked.wait(10)
            for _ in range(300):
                FileLock(path).release()
        finally:
            asking.set()
        asker.result()
