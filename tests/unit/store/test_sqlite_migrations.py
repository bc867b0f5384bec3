"""A file of an earlier version is brought up to date with all that is in it, or stays as it is."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import structlog
from sqlite_utils import Database

from msgstate_server.domain.errors import StoreUnusable
from msgstate_server.domain.events import EventType
from msgstate_server.domain.states import State
from msgstate_server.store.check import Finding, Summary, check
from msgstate_server.store.protocol import StatusFilter
from msgstate_server.store.sqlite import SqliteAuditor, SqliteStore, connection
from tests.builders import append, event, numbered, payload, submission
from tests.contract.test_bodies import PROBLEMS
from tests.unit.store.conftest import connected

if TYPE_CHECKING:
    import sqlite3 as sqlite
else:
    import pysqlite3.dbapi2 as sqlite

SECOND_MIGRATION, THIRD_MIGRATION = "0002_lists_and_quarantine", "0003_retention"
FOURTH_MIGRATION, FIFTH_MIGRATION = "0004_undelivered", "0005_canonical_identity"
FIRST_COLUMNS = {
    "recipient_status": (
        "id, message_hash, recipient_hash, provider, message_id, recipient, evidence, version, position, queued_time, "
        "sent_time, delivered_time, engaged_time, failed_time, suppressed_time, complained_time, unsubscribed_time, "
        "last_event_time, open_count, click_count, failure_cause, suppression_cause, aliases, create_time, update_time"
    ),
    "event": "*",
    "alias": "*",
    "payload": "*",
    "quarantine": "id, digest, provider, account, received_time, problems, body",
    "head": "id, log_id, position, commit_time, fingerprint, floor, floor_fingerprint",
}
"""What the first version's tables have, of those that grew since."""
SECOND_COLUMNS = FIRST_COLUMNS | {
    "recipient_status": FIRST_COLUMNS["recipient_status"] + ", address_hash",
    "quarantine": "*",
}
"""What those of the second version have."""
THIRD_COLUMNS = SECOND_COLUMNS | {
    "recipient_status": SECOND_COLUMNS["recipient_status"] + ", compact_time",
    "head": FIRST_COLUMNS["head"] + ", floor_time, last_forgotten, last_discarded",
}
"""What those of the third version have."""
BODIES = [b"", b"{}", b"x" * 100_000]


async def file_of_the_first_version(path: Path) -> None:
    """A file with the schema of 0001 alone, and in it what a store of today holds."""
    await file_of_before(SECOND_MIGRATION, FIRST_COLUMNS, path)


async def file_of_before(migration: str, columns_of: dict[str, str], path: Path) -> None:
    """A file of before a migration, and in it what a store of today holds."""
    store = await SqliteStore.open(path.with_name("today.db"))
    await append(store, *numbered(50, messages=10), event(recipient="b@example.com"), event(recipient="c@example.com"))
    await store.append([submission(payload=payload(body), problems=PROBLEMS) for body in BODIES])
    await store.close()
    with connected(path) as old:
        old.execute(f"PRAGMA application_id = {connection.APPLICATION_ID}")
        first = Database(old, execute_plugins=False)
        first.conn.create_function("hash_of_address", 1, str)
        first.conn.create_function("inflated_size", 1, len)
        connection._MIGRATIONS.apply(first, stop_before=migration)  # noqa: SLF001
        old.execute("DELETE FROM head")
        old.execute("ATTACH ? AS today", (str(store.path),))
        for table, columns in columns_of.items():
            old.execute(f"INSERT INTO {table} SELECT {columns} FROM today.{table}")  # noqa: S608


def content(file: sqlite.Connection) -> list[object]:
    """What a migration could change."""
    tables = ("sqlite_schema", "_sqlite_migrations", *FIRST_COLUMNS)
    return [file.execute(f"SELECT * FROM {table}").fetchall() for table in tables]  # noqa: S608


async def findings(path: Path) -> list[Finding]:
    """Where the file disagrees with itself."""
    async with SqliteAuditor(path).audit() as audit:
        return [finding async for finding in check(audit, Summary())]


async def test_a_file_of_the_first_version_lists_right(path: Path) -> None:
    """Recipients of before are listed by their address, bodies of before have their size, and all agrees."""
    await file_of_the_first_version(path)
    store = await SqliteStore.open(path)
    try:
        listed = [
            await store.list_recipients(StatusFilter(recipient=f"{name}@example.com"), None, 100) for name in "abc"
        ]
        await append(store, event(message_id="new", recipient="b@example.com"))
        grown = await store.list_recipients(StatusFilter(recipient="b@example.com"), None, 100)
    finally:
        await store.close()
    assert [len(page.statuses) for page in listed] == [10, 1, 1]
    assert [stored.status.message_id for stored in grown.statuses] == ["new", "m"]
    with connected(path) as migrated:
        sizes = migrated.execute("SELECT body_size FROM quarantine ORDER BY id").fetchall()
    assert sizes == [(len(body),) for body in BODIES]
    assert await findings(path) == []


async def test_an_upgrade_is_told(path: Path) -> None:
    """A start that migrates a file of an older version logs which migrations; any other start logs nothing."""
    await file_of_the_first_version(path)
    told = []
    for file in (path, path, path.with_name("new.db")):
        with structlog.testing.capture_logs() as logs:
            await (await SqliteStore.open(file)).close()
        told.append([entry.get("migrations") for entry in logs])
    assert told == [[[SECOND_MIGRATION, THIRD_MIGRATION, FOURTH_MIGRATION, FIFTH_MIGRATION]], [], []]


async def test_a_migration_that_fails_leaves_the_file_as_it_was(path: Path) -> None:
    """A table that is in the way of the last step stops the server before anything was changed."""
    await file_of_the_first_version(path)
    with connected(path) as old:
        old.execute("CREATE TABLE quarantine_with_size (id INTEGER)")
        before = content(old)
    with pytest.raises(StoreUnusable):
        await SqliteStore.open(path)
    with connected(path) as old:
        assert content(old) == before


async def test_a_damaged_body_does_not_keep_the_others_from_being_served(path: Path) -> None:
    """A quarantined body that cannot be inflated is listed without a size."""
    await file_of_the_first_version(path)
    with connected(path) as old:
        old.execute("UPDATE quarantine SET body = x'00' WHERE id = 2")
    store = await SqliteStore.open(path)
    try:
        listed = (await store.list_quarantine("", include_replayed=True, before=None, limit=10)).payloads
    finally:
        await store.close()
    assert {found.id: found.body_size for found in listed}[2] == 0
    assert len(listed) == len(BODIES)


async def test_check_asks_for_the_migration(path: Path) -> None:
    """A file that no server of this version has opened is not checked: the refusal says how to bring it up to date."""
    await file_of_the_first_version(path)
    pending = f"{SECOND_MIGRATION}, {THIRD_MIGRATION}, {FOURTH_MIGRATION}, {FIFTH_MIGRATION}"
    with pytest.raises(StoreUnusable, match=rf"its schema lacks {pending}\): run `msgstate migrate`"):
        await findings(path)


async def test_a_file_of_before_retention(path: Path) -> None:
    """Nothing of it was compacted: its log begins at 1, any time is within it, and retention takes it from there."""
    await file_of_before(THIRD_MIGRATION, SECOND_COLUMNS, path)
    store = await SqliteStore.open(path)
    try:
        head = store.head
        assert (head.position, head.floor, head.floor_time, await store.last_before(0)) == (52, 0, 0, (0, bytes(8)))
        listed = (await store.list_recipients(StatusFilter(), None, 100)).statuses
        assert [stored.status.compact_time for stored in listed] == [None] * 12
        assert await findings(path) == []
        assert (await store.compact(head.commit_time + 1, 0, 100)).deleted == 52
        assert (await store.forget(head.commit_time + 1, 0, 100)).deleted == 12
        await append(store, event())
        assert (await store.list_recipients(StatusFilter(), None, 100)).statuses[0].id == 13
    finally:
        await store.close()
    assert await findings(path) == []


async def test_a_file_of_before_the_index_of_the_undelivered(path: Path) -> None:
    """Who had not got their mail then is listed as who has not now."""
    await file_of_before(FOURTH_MIGRATION, THIRD_COLUMNS, path)
    store = await SqliteStore.open(path)
    try:
        await append(
            store, event(EventType.BOUNCED, message_id="new"), event(EventType.OPENED, recipient="b@example.com")
        )
        every = (await store.list_recipients(StatusFilter(), None, 100)).statuses
        states = frozenset(State) - {State.DELIVERED, State.ENGAGED}
        listed = (await store.list_recipients(StatusFilter(states=states), None, 100)).statuses
    finally:
        await store.close()
    assert listed == [stored for stored in every if stored.status.state in states]
    assert "new" in {stored.status.message_id for stored in listed}
    assert len(listed) < len(every)
    assert await findings(path) == []
