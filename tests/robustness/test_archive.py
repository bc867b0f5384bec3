from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from msgstate_server.domain.events import EventType
from msgstate_server.store.opening import open_store
from tests.builders import append, event
from tests.robustness.archive import Archive
from tests.robustness.tables import SqliteTables

if TYPE_CHECKING:
    import sqlite3 as sqlite
else:
    import pysqlite3.dbapi2 as sqlite


async def filled(file: Path, count: int) -> Archive:
    """An archive that has seen a log of so many events."""
    store = await open_store(f"sqlite:///{file}", lambda: 1)
    for number in range(count):
        await append(store, event(EventType.SENT, message_id=f"m{number}"))
    await store.close()
    archive = Archive(SqliteTables(file))
    archive.look()
    return archive


def change(file: Path, statement: str) -> None:
    with closing(sqlite.connect(file)) as connection, connection:
        connection.execute(statement)


def rules(archive: Archive) -> list[str]:
    return [finding.rule for finding in archive.findings]


async def test_what_retention_removes_stays_in_the_archive(tmp_path: Path) -> None:
    """Rows that are deleted below the floor were seen before, and are not missed."""
    archive = await filled(tmp_path / "a.db", 3)

    change(tmp_path / "a.db", "DELETE FROM event WHERE position <= 2")
    change(tmp_path / "a.db", "UPDATE head SET floor = 2")
    archive.look()

    assert [] == rules(archive)
    assert ([1, 2, 3], [3]) == ([*archive.rows], [entry.position for entry in archive.retained()])


@pytest.mark.parametrize(
    ("rule", "statement"),
    [
        ("positions_are_dense", "DELETE FROM event WHERE position = 2"),
        ("positions_are_dense", "UPDATE head SET position = 2"),
        ("positions_are_dense", "UPDATE head SET position = 4"),
    ],
)
async def test_hole_in_the_log_is_found(tmp_path: Path, rule: str, statement: str) -> None:
    """Above the floor and up to the head, a row stands at every position, and none beyond."""
    archive = await filled(tmp_path / "a.db", 3)

    change(tmp_path / "a.db", statement)
    fresh = Archive(SqliteTables(tmp_path / "a.db"))
    fresh.look()

    assert [] == rules(archive)
    assert [rule] == rules(fresh)


@pytest.mark.parametrize("statement", ["UPDATE head SET position = 2", "UPDATE head SET log_id = randomblob(16)"])
async def test_log_that_lost_its_end_is_found(tmp_path: Path, statement: str) -> None:
    """A log that ends before where it was seen to end, or is another one, is found."""
    archive = await filled(tmp_path / "a.db", 3)

    change(tmp_path / "a.db", statement)
    archive.look()

    assert ["log_keeps_its_end"] == rules(archive)


async def test_rows_that_nobody_saw_are_counted(tmp_path: Path) -> None:
    """A position below the floor that was gone before the first look is no hole, but counted as unseen."""
    await filled(tmp_path / "a.db", 3)

    change(tmp_path / "a.db", "DELETE FROM event WHERE position <= 2")
    change(tmp_path / "a.db", "UPDATE head SET floor = 2")
    archive = Archive(SqliteTables(tmp_path / "a.db"))
    archive.look()

    assert ([], {1, 2}) == (rules(archive), archive.unseen)
