"""`check` of a log of which a part is gone: what remains is proved, and no status may say less than that."""

import asyncio
import shutil
from pathlib import Path

import pytest

from msgstate_server.store.check import Summary, check
from msgstate_server.store.sqlite import SqliteAuditor, SqliteStore
from tests.builders import SECOND, Clock, append
from tests.unit.store.conftest import connected
from tests.unit.store.test_check import damage, findings, history

SILENT, LATE, KEPT = 3, 7, 18
"""Numbers of recipients: all events gone, later ones there again, all there."""


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history of 20 recipients, closed: 15 were compacted, of whom 10 were heard of again; tests take copies."""
    path = tmp_path_factory.mktemp("compacted") / "msgstate.db"

    async def write() -> None:
        clock = Clock()
        store = await SqliteStore.open(path, clock)
        of = [int(event.message_id[1:]) for event in history()]
        for first, last in ((0, 14), (15, 19)):
            clock.now += SECOND
            await append(
                store, *(event for number, event in zip(of, history(), strict=True) if first <= number <= last)
            )
        assert (await store.compact(clock.now, 0, 1_000)).deleted == 15 * 17
        clock.now += SECOND
        await append(store, *(event for number, event in zip(of, history(), strict=True) if 5 <= number <= 14))
        await store.close()

    asyncio.run(write())
    return path


@pytest.fixture
def copy(written: Path, path: Path) -> Path:
    """A copy, to be damaged."""
    return Path(shutil.copyfile(written, path))


async def test_intact(copy: Path) -> None:
    """Nothing is wrong with what retention left, and the summary counts all of it."""
    summary = Summary()
    async with SqliteAuditor(copy).audit() as audit:
        assert [finding async for finding in check(audit, summary)] == []
    assert (summary.recipients, summary.events) == (20, 15 * 17)


LESS = {
    "evidence": "evidence - 1",
    "version": "0",
    "position": "0",
    "queued_time": "NULL",
    "sent_time": "sent_time + 1000000000",
    "delivered_time": "NULL",
    "engaged_time": "engaged_time + 1000000000",
    "failed_time": "NULL",
    "suppressed_time": "suppressed_time + 1000000000",
    "complained_time": "NULL",
    "unsubscribed_time": "unsubscribed_time + 1000000000",
    "last_event_time": "0",
    "open_count": "0",
    "click_count": "-1",
    "failure_cause": "NULL",
    "suppression_cause": "NULL",
    "aliases": "'[]'",
    "create_time": "update_time + 1",
    "update_time": "update_time + 1",
    "compact_time": "1",
    "message_hash": "1",
    "recipient_hash": "1",
    "address_hash": "1",
}


@pytest.mark.parametrize("column", LESS)
async def test_a_status_that_says_less_than_what_remains(copy: Path, column: str) -> None:
    """A fact that is behind the events that remain is named, at its recipient."""
    damage(copy, f"UPDATE recipient_status SET {column} = {LESS[column]} WHERE id = {LATE + 1}")  # noqa: S608
    found = await findings(copy)
    assert {finding.where.split(" (")[0] for finding in found} == {f"status {LATE + 1}"}
    assert any(finding.what.startswith(f"{column} is ") for finding in found)


@pytest.mark.parametrize(
    ("column", "changed"),
    [
        ("evidence", "0"),
        ("version", "0"),
        ("version", "8"),
        ("position", "0"),
        ("position", "400"),
        ("create_time", "update_time + 1"),
        ("update_time", "update_time + 10000000"),
        ("compact_time", "create_time - 1"),
        ("open_count", "-1"),
    ],
)
async def test_a_status_that_cannot_be(copy: Path, column: str, changed: str) -> None:
    """Of a recipient of whom no event remains, what cannot have been is named."""
    damage(copy, f"UPDATE recipient_status SET {column} = {changed} WHERE id = {SILENT + 1}")  # noqa: S608
    found = await findings(copy)
    assert {finding.where.split(" (")[0] for finding in found} == {f"status {SILENT + 1}"}
    assert any(f"{column} is " in finding.what for finding in found)


async def test_compacted_without_saying_so(copy: Path) -> None:
    """Who has no events, and no time at which they went, is found; so is who has a time, and all its events."""
    damage(copy, f"UPDATE recipient_status SET compact_time = NULL WHERE id = {SILENT + 1}")  # noqa: S608
    damage(copy, f"UPDATE recipient_status SET compact_time = update_time + 1 WHERE id = {KEPT + 1}")  # noqa: S608
    silent, kept, *_ = await findings(copy)
    assert silent.where.startswith(f"status {SILENT + 1} ")
    assert silent.what == "has no event in the log, and no compact_time"
    assert kept.where.startswith(f"status {KEPT + 1} ")
    assert kept.what.endswith(", but its first event is in the log")


@pytest.mark.parametrize("column", ["from_evidence", "to_evidence", "version"])
async def test_a_broken_chain(copy: Path, column: str) -> None:
    """Within what remains each event goes on from the one before."""
    with connected(copy) as connection:
        query = f"SELECT position FROM event WHERE status_id = {LATE + 1} ORDER BY position LIMIT 1 OFFSET 3"  # noqa: S608
        (position,) = connection.execute(query).fetchone()
    damage(copy, f"UPDATE event SET {column} = {column} - 1 WHERE position = {position}")  # noqa: S608
    assert any(f.where == f"event {position}" and f.what.startswith(column) for f in await findings(copy))


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("UPDATE head SET floor = floor + 1", "floor is 256, but the event there is in the log"),
        ("UPDATE head SET floor = 999", "floor is 999, must be 0 to 510"),
        ("UPDATE head SET floor_time = commit_time + 1", "floor_time is "),
        ("UPDATE head SET floor_time = 0", "update_time is "),
        ("DELETE FROM event WHERE position = 300", "positions 300 to 300 are missing"),
    ],
)
async def test_a_floor_that_cannot_be(copy: Path, statement: str, expected: str) -> None:
    """A floor that agrees neither with the log nor with what was compacted is named; so is what is missing above it."""
    damage(copy, statement)
    assert any(expected in finding.what for finding in await findings(copy))
