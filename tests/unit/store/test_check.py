"""Whatever is changed in a file behind msgstate's back, `check` names the row and the field; else it finds nothing."""

# ruff: noqa: ASYNC240, S608 -- small local files, and SQL of our own

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import run
from sys import executable
from tempfile import TemporaryDirectory

import pytest

from msgstate_server.domain.errors import StoreUnusable
from msgstate_server.domain.events import Event, EventType, Reason
from msgstate_server.store.check import Finding, Summary, check
from msgstate_server.store.sqlite import SqliteAuditor, SqliteStore
from tests.builders import FACTS, NOW, SECOND, TYPES, Clock, append, event, numbered
from tests.unit.store.conftest import connected, heard, server_process, tell

EVENTS = 340


def history() -> list[Event]:
    """Events of 20 recipients, each of whom has every fact there is."""
    return [
        event(
            TYPES[(number // 20 + number % 20 * 5) % 17],
            message_id=f"m{number % 20}",
            event_id=str(number),
            occurred=NOW - number * SECOND,
            aliases=[f"alias{number % 40}"],
            detail="why",
            reason=Reason.POLICY,
        )
        for number in range(EVENTS)
    ]


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a history, closed; tests take copies."""
    path = tmp_path_factory.mktemp("written") / "msgstate.db"

    async def write() -> None:
        clock = Clock()
        store = await SqliteStore.open(path, clock)
        for start in range(0, EVENTS, 10):
            clock.now += SECOND
            await append(store, *history()[start : start + 10])
        await store.close()

    asyncio.run(write())
    return path


@pytest.fixture
def copy(written: Path, path: Path) -> Path:
    """A copy of the history, to be damaged."""
    return Path(shutil.copyfile(written, path))


async def findings(path: Path) -> list[Finding]:
    """All that is wrong with a file."""
    async with SqliteAuditor(path).audit() as audit:
        return [finding async for finding in check(audit, Summary())]


def damage(path: Path, *statements: str) -> None:
    """Change the file as msgstate never would."""
    with connected(path) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        for statement in statements:
            connection.execute(statement)


def value(path: Path, query: str) -> int:
    """A number in the file."""
    with connected(path) as connection:
        found: int = connection.execute(query).fetchone()[0]
        return found


async def test_intact_store_has_no_findings(copy: Path) -> None:
    """Nothing is wrong with what msgstate wrote, and the summary counts all of it."""
    summary = Summary()
    async with SqliteAuditor(copy).audit() as audit:
        assert [finding async for finding in check(audit, summary)] == []
    assert (summary.recipients, summary.events) == (20, EVENTS)


async def test_empty_store_has_no_findings(path: Path) -> None:
    """A store in which nothing happened yet agrees with itself."""
    await (await SqliteStore.open(path)).close()
    assert await findings(path) == []


TEXTS = {
    "failure_cause": "json_set(failure_cause, '$.detail', 'other')",
    "suppression_cause": "json_set(suppression_cause, '$.key', '00')",
    "aliases": "'[\"alias0\"]'",
    "provider": "'other'",
    "message_id": "'other'",
    "recipient": "'other'",
    "evidence": "evidence - 1",
    "message_hash": "message_hash + 1",
    "recipient_hash": "recipient_hash + 1",
    "address_hash": "address_hash + 1",
    "message_refs": "'[\"other\"]'",
    "metadata": '\'{"other": "1"}\'',
    "state_change_time": "state_change_time - 1",
}
CHANGES = {name: f"{name} + 1" for name in FACTS} | TEXTS | {"compact_time": "5"}
NAMED = {"provider": "recipient_hash", "recipient": "recipient_hash", "message_id": "message_hash"}
NULLS = [name for name in CHANGES if name.endswith(("queued_time", "_cause"))]


def test_every_column_of_a_status_is_changed(copy: Path) -> None:
    """No column but the id is left out below."""
    with connected(copy) as connection:
        columns = {row[1] for row in connection.execute("PRAGMA table_info(recipient_status)")}
    assert columns - {"id"} == set(CHANGES)


@pytest.mark.parametrize("column", CHANGES)
async def test_changed_status(copy: Path, column: str) -> None:
    """A status with one column changed is named by its row, with the column, what it is and what it must be."""
    damage(copy, f"UPDATE recipient_status SET {column} = {CHANGES[column]} WHERE id = 7")
    found = await findings(copy)
    assert found
    assert {finding.where.split(" (")[0] for finding in found} == {"status 7"}
    assert any(NAMED.get(column, column) in finding.what for finding in found)


@pytest.mark.parametrize("column", NULLS)
async def test_fact_that_was_lost(copy: Path, column: str) -> None:
    """A fact that is gone is found."""
    damage(copy, f"UPDATE recipient_status SET {column} = NULL WHERE id = 7")
    (finding,) = await findings(copy)
    assert finding.where.startswith("status 7 ")
    assert finding.what.startswith(f"{column} is None, its events make it ")


async def test_finding_says_what_is_and_what_must_be(copy: Path) -> None:
    """A finding reads as a sentence, with names where the file has numbers."""
    damage(copy, "UPDATE recipient_status SET evidence = 2 WHERE id = 1")
    damage(copy, "UPDATE event SET version = 9 WHERE position = 5")
    assert await findings(copy) == [
        Finding("status 1 (acme/m0 to a@example.com)", "evidence is sent, its events make it failed"),
        Finding("event 5", "version is 9, must be 1"),
    ]


@pytest.mark.parametrize("changed", [8, 99, 0, -1], ids=["none", "beyond", "unspecified", "negative"])
async def test_status_with_a_state_that_is_none(copy: Path, changed: int) -> None:
    """A status whose evidence is no such number, or another's, is named."""
    damage(copy, f"UPDATE recipient_status SET evidence = {changed} WHERE id = 7")
    found = await findings(copy)
    assert {finding.where.split(" (")[0] for finding in found} == {"status 7"}


@pytest.mark.parametrize(
    ("column", "changed", "field"),
    [
        ("type", "1 + type % 17", "event_key"),
        ("type", "0", "type is 0"),
        ("type", "99", "99"),
        ("type", "-1", "-1"),
        ("from_evidence", "(from_evidence + 1) % 8", "from_evidence"),
        ("from_evidence", "8", "8"),
        ("to_evidence", "(to_evidence + 1) % 8", "to_evidence"),
        ("version", "version + 1", "version"),
        ("event_key", "randomblob(16)", "event_key"),
        ("event_key", "x'00'", "event_key"),
        ("attributes", "json_remove(attributes, '$.event_id')", "event_key"),
        ("attributes", "json_set(attributes, '$.provider_type', 'x')", "event_key"),
        ("attributes", "json_set(attributes, '$.reason', 99)", "99"),
        ("attributes", "'[]'", "array"),
    ],
)
@pytest.mark.parametrize("position", [1, 150, EVENTS])
async def test_changed_event(copy: Path, position: int, column: str, changed: str, field: str) -> None:
    """A log row with one column changed is named by its position, with the field."""
    damage(copy, f"UPDATE event SET {column} = {changed} WHERE position = {position}")
    found = await findings(copy)
    assert [finding for finding in found if finding.where == f"event {position}" and field in finding.what]


@pytest.mark.parametrize(
    ("written_as", "changed_to"),
    [
        (EventType.ACCEPTED, EventType.HELD),
        (EventType.BOUNCED, EventType.EXPIRED),
        (EventType.READ, EventType.REPLIED),
        (EventType.DELIVERED, EventType.AUTO_REPLIED),
    ],
)
@pytest.mark.parametrize("event_id", ["", "1"])
async def test_type_with_the_same_evidence(
    path: Path, written_as: EventType, changed_to: EventType, event_id: str
) -> None:
    """A type that became another of the same evidence moves no state, and is found by the event's key."""
    store = await SqliteStore.open(path)
    await append(store, event(written_as, event_id=event_id))
    await store.close()
    damage(path, f"UPDATE event SET type = {changed_to.value}")
    assert any(finding.where == "event 1" and "event_key" in finding.what for finding in await findings(path))


@pytest.mark.parametrize("column", ["occurred_time", "received_time"])
async def test_changed_time_of_an_event(path: Path, column: str) -> None:
    """An event's time is behind a fact of its recipient: changed, it is found there."""
    store = await SqliteStore.open(path)
    await append(store, event(occurred=NOW if column == "occurred_time" else None, event_id="1"))
    await store.close()
    damage(path, f"UPDATE event SET {column} = {column} + 1")
    assert {finding.what.split(" is ")[0] for finding in await findings(path)} == {"sent_time", "last_event_time"}


@pytest.mark.parametrize(
    ("position", "missing"), [("1", "1 to 1"), ("150", "150 to 150"), ("7 OR position = 8", "7 to 8")]
)
async def test_deleted_event(copy: Path, position: str, missing: str) -> None:
    """A log row that is gone leaves a hole that is named."""
    damage(copy, f"DELETE FROM event WHERE position = {position}")
    assert Finding("log", f"positions {missing} are missing") in await findings(copy)


async def test_deleted_end_of_the_log(copy: Path) -> None:
    """Where the log's end is gone, the head that knew of it is named."""
    damage(copy, f"DELETE FROM event WHERE position > {EVENTS - 3}")
    found = await findings(copy)
    assert Finding("head", f"position is {EVENTS}, but the log ends at {EVENTS - 3}") in found


async def test_deleted_history_of_a_recipient(copy: Path) -> None:
    """A recipient that lost all of its events, though none were ever compacted, is named."""
    damage(copy, "DELETE FROM event WHERE status_id = 7")
    found = await findings(copy)
    assert any(finding.where.startswith("status 7 ") and "has no event" in finding.what for finding in found)


async def test_deleted_status(copy: Path) -> None:
    """Events whose recipient is gone are found."""
    damage(copy, "DELETE FROM recipient_status WHERE id = 7")
    assert Finding("log", f"{EVENTS // 20} events are of no recipient") in await findings(copy)


async def test_event_of_another_recipient(copy: Path) -> None:
    """An event that was moved to another recipient shows at both."""
    damage(copy, "UPDATE event SET status_id = 8 WHERE position = 7")
    found = {finding.where.split(" (")[0] for finding in await findings(copy)}
    assert {"status 7", "status 8"} <= found


@pytest.mark.parametrize(
    ("column", "changed"),
    [
        ("position", "position + 1"),
        ("position", "position - 1"),
        ("fingerprint", "randomblob(8)"),
        ("commit_time", "0"),
        ("floor", "1"),
        ("floor", "-1"),
        ("floor", "999"),
        ("floor_time", "1"),
        ("floor_fingerprint", "randomblob(8)"),
    ],
)
async def test_changed_head(copy: Path, column: str, changed: str) -> None:
    """A head that is not the last row's is named, with the field."""
    damage(copy, f"UPDATE head SET {column} = {changed}")
    found = await findings(copy)
    assert any(finding.where == "head" and finding.what.startswith(column) for finding in found)


async def test_changed_head_of_an_empty_log(path: Path) -> None:
    """Before the first event the head's fingerprint is that of no row."""
    await (await SqliteStore.open(path)).close()
    damage(path, "UPDATE head SET fingerprint = x'0000000000000001'")
    assert await findings(path) == [Finding("head", "fingerprint is 0000000000000001, must be 0000000000000000")]


async def test_commit_time_that_goes_back(copy: Path) -> None:
    """A commit time earlier than the row's before it is named at its row."""
    earlier = value(copy, "SELECT commit_time FROM event WHERE position = 100")
    damage(copy, "UPDATE event SET commit_time = 5 WHERE position = 101")
    found = await findings(copy)
    assert Finding("event 101", f"commit_time 5 is earlier than {earlier} before it") in found


@pytest.mark.parametrize("table", ["head", "recipient_status"])
async def test_table_that_is_gone(copy: Path, table: str) -> None:
    """A file whose tables are not there is damaged, and the mend is named."""
    damage(copy, "PRAGMA foreign_keys = OFF", f"DROP TABLE {table}")
    with pytest.raises(StoreUnusable, match=rf"^{copy} is damaged \(.*\): restore a backup$"):
        await findings(copy)


async def test_head_that_is_gone(copy: Path) -> None:
    """A file without its one head row is damaged."""
    damage(copy, "DELETE FROM head")
    with pytest.raises(StoreUnusable, match=rf"^{copy} is damaged \(.*\): restore a backup$"):
        await findings(copy)


def cut(data: bytes) -> bytes:
    """The first half."""
    return data[: len(data) // 2]


def overwritten(data: bytes) -> bytes:
    """Something else in the middle."""
    return data[:20_000] + b"\xff" * 40_000 + data[60_000:]


@pytest.mark.parametrize("spoil", [cut, overwritten])
async def test_torn_file(copy: Path, spoil: Callable[[bytes], bytes]) -> None:
    """A file that lost its end or its middle is found damaged: never silence, never a driver's error."""
    copy.write_bytes(spoil(copy.read_bytes()))
    with pytest.raises(StoreUnusable, match=rf"^{copy} is damaged \(.*\): restore a backup$"):
        assert await findings(copy) == []


async def test_check_of_what_a_killed_server_left(path: Path) -> None:
    """After kill -9 the file and its write-ahead log agree with each other, before any server opens them again."""
    with server_process(path, events=200) as process:
        tell(process)
        assert heard(process) == "open"
        process.kill()
        process.wait()
    assert path.with_name("msgstate.db-wal").stat().st_size > 0
    summary = Summary()
    async with SqliteAuditor(path).audit() as audit:
        assert [finding async for finding in check(audit, summary)] == []
    assert summary.events == 200


READ_ONLY = """
import asyncio, os, sys
from pathlib import Path
from msgstate_server.store.check import Summary, check
from msgstate_server.store.sqlite import SqliteAuditor

async def main():
    summary = Summary()
    async with SqliteAuditor(Path(sys.argv[1])).audit() as audit:
        print([finding async for finding in check(audit, summary)], summary.events)

if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
asyncio.run(main())
"""


def test_check_of_a_read_only_copy(written: Path) -> None:
    """A copy that its reader may write neither to nor beside is checked all the same."""
    # pytest's own folders are closed to the other user that root becomes here.
    with TemporaryDirectory() as folder:
        copy = Path(shutil.copy(written, folder))
        copy.chmod(0o444)
        copy.parent.chmod(0o555)
        result = run([executable, "-c", READ_ONLY, str(copy)], capture_output=True, text=True, check=False)
        copy.parent.chmod(0o755)
        assert (result.stdout, result.stderr) == (f"[] {EVENTS}\n", "")


async def test_check_sees_one_moment(store: SqliteStore) -> None:
    """What is committed while a check runs is not in it."""
    await append(store, *numbered(20, messages=3))
    summary = Summary()
    async with SqliteAuditor(store.path).audit() as audit:
        await append(store, *numbered(20, messages=9, first=20))
        assert [finding async for finding in check(audit, summary)] == []
    assert summary.events == 20


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM alias WHERE status_id = 3", "UPDATE alias SET alias_hash = alias_hash + 1 WHERE status_id = 3"],
)
async def test_an_alias_that_leads_nowhere_is_found(copy: Path, statement: str) -> None:
    """An alias of a status by which look-ups would not find it is named with its status."""
    damage(copy, statement)
    found = await findings(copy)
    assert [finding.where.split(" (")[0] for finding in found] == ["status 3"] * 2
    assert all("leads nowhere" in finding.what for finding in found)
    assert {"'alias2'", "'alias22'"} == {finding.what.split()[3] for finding in found}
