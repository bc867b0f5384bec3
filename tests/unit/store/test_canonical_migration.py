"""A store of the version before canonical ids: recipients that are one become one, on both engines.

`before_0005.sql` is what that version wrote: recipients reported in several ways, with all, some or none of
their events in the log.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from msgstate_server.domain.decision import Candidate
from msgstate_server.domain.errors import StoreUnusable
from msgstate_server.domain.events import Event, EventType
from msgstate_server.domain.log import fingerprint
from msgstate_server.domain.states import Evidence, State
from msgstate_server.domain.status import RecipientStatus
from msgstate_server.ingest import admit
from msgstate_server.store.check import Summary, check
from msgstate_server.store.postgres.connection import connect
from msgstate_server.store.postgres.migrations import MIGRATIONS, migrate
from msgstate_server.store.protocol import MessageKey, StatusFilter, Store
from msgstate_server.store.sqlite.connection import APPLICATION_ID
from tests.builders import Clock, append, event, find_by_alias
from tests.engines import ENGINES, Engine, PostgresEngine, engine_of
from tests.unit.store.conftest import connected

if TYPE_CHECKING:
    import sqlite3 as sqlite
else:
    import pysqlite3.dbapi2 as sqlite

BEFORE = Path(__file__).with_name("before_0005.sql").read_text("utf-8")
FLOOR, LAST = 4, 25
POSTGRES_HEAD = "id, log_id, position, commit_time, floor, floor_fingerprint, floor_time"


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    yield from engine_of(request)


@pytest.fixture
async def folder(engine: Engine, tmp_path: Path) -> Path:
    """A folder whose store is as the version before left it."""
    file = tmp_path / "msgstate.db"
    with connected(file) as old:
        old.executescript(BEFORE)
        old.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    if isinstance(engine, PostgresEngine):
        await fill_postgres(engine.url(tmp_path), file)
    return tmp_path


async def fill_postgres(dsn: str, file: Path) -> None:
    """Copy the file into the PostgreSQL schema of that version."""
    database = await connect(dsn, application_name="test")
    try:
        await migrate(database, known=MIGRATIONS[:1])
        await database.execute("DELETE FROM head")
        with connected(file) as old:
            for table in ("recipient_status", "event", "alias", "payload", "quarantine", "head"):
                columns = POSTGRES_HEAD if table == "head" else "*"
                rows = old.execute(f"SELECT {columns} FROM {table}").fetchall()  # noqa: S608
                places = ", ".join(f"${place}" for place in range(1, len(rows[0]) + 1))
                await database.executemany(f"INSERT INTO {table} VALUES ({places})", rows)  # noqa: S608
            for table in ("recipient_status", "payload", "quarantine"):
                statement = f"SELECT setval('{table}_id_seq', (SELECT max(id) FROM {table}))"  # noqa: S608
                await database.execute(statement)
    finally:
        await database.close()


def fingerprints_before() -> dict[int, bytes]:
    """What the tokens of that version carry, by position."""
    with closing(sqlite.connect(":memory:")) as old:
        old.executescript(BEFORE)
        rows = old.execute("SELECT position, lower(hex(event_key)), commit_time, to_evidence, version FROM event")
        return {
            position: fingerprint(position, key, commit_time, Evidence(after), version)
            for position, key, commit_time, after, version in rows
        }


@pytest.fixture
async def store(engine: Engine, folder: Path) -> AsyncIterator[Store]:
    store = await engine.open(folder, Clock())
    yield store
    await store.close()


async def recipients(store: Store, message_id: str) -> list[RecipientStatus]:
    return await store.read_recipients(message_id, "", "", 10)


async def test_recipients_that_are_one_become_one(store: Store) -> None:
    """Each recipient is there once, under its canonical ids, in the order of first appearance."""
    page = await store.list_recipients(StatusFilter(), None, 100)
    found = [(each.id, each.status.message_id, each.status.recipient) for each in reversed(page.statuses)]
    assert found == [
        (1, "gone", "old@example.com"),
        (3, "half", "half@example.com"),
        (4, "late", "late@example.com"),
        (7, "m-1", "ada.lovelace@example.com"),
        (10, "m-2", "jürgen@xn--mnchen-3ya.de"),
        (13, "m-3", "+15550100000"),
        (15, "m-4", "b@example.com"),
        (18, "m-5", "c@example.com"),
        (19, "m-6", "solo@example.com"),
    ]


async def test_a_recipient_is_folded_by_all_its_events(store: Store) -> None:
    """State, version, counts, aliases and metadata are what the events of all parts make, each event once."""
    (status,) = await recipients(store, "m-1")
    assert (status.state, status.version, status.open_count, status.click_count) == (State.ENGAGED, 3, 1, 1)
    assert (status.aliases, status.metadata) == (["order-7"], {"account": "eu", "campaign": "spring"})
    entries = await store.read_history(MessageKey("acme", "m-1"), "", 0, 10)
    assert [(entry.position, entry.before.name, entry.after.name, entry.version) for entry in entries] == [
        (9, "NONE", "QUEUED", 1),
        (10, "QUEUED", "DELIVERED", 2),
        (11, "DELIVERED", "ENGAGED", 3),
        (12, "ENGAGED", "ENGAGED", 3),
        (13, "ENGAGED", "ENGAGED", 3),
        (14, "ENGAGED", "ENGAGED", 3),
    ]
    assert status.position == 11
    assert status.state_change_time == entries[2].commit_time


async def test_events_keep_the_address_as_it_was_reported(store: Store) -> None:
    """The events of one recipient tell how each of them was addressed."""
    entries = await store.read_history(MessageKey("acme", "m-2"), "", 0, 10)
    assert {entry.event.recipient for entry in entries} == {"jürgen@xn--mnchen-3ya.de"}
    assert [entry.event.attributes.reported_recipient for entry in entries] == [
        "jürgen@münchen.de",
        "",
        "ju\u0308rgen@mu\u0308nchen.de",
    ]


async def test_where_the_log_is_gone_the_facts_are_folded(store: Store) -> None:
    """A recipient of whom nothing is left in the log has the facts of both parts."""
    (gone,), (half,), (late,) = [await recipients(store, name) for name in ("gone", "half", "late")]
    assert (gone.state, gone.compact_time is None) == (State.DELIVERED, False)
    assert (gone.queued_time is None, gone.delivered_time is None) == (False, False)
    assert (half.state, half.open_count, half.failure and half.failure.smtp_code) == (State.FAILED, 1, 550)
    assert (late.state, late.open_count, late.version) == (State.ENGAGED, 1, 2)


async def test_ids_in_white_space_and_brackets_are_one(store: Store) -> None:
    """Messages whose ids differ by white space or brackets are one, found by every spelling of its aliases."""
    (status,) = await recipients(store, "m-4")
    assert (status.state, status.version, status.aliases) == (State.FAILED, 3, ["odd", "odder"])
    assert await find_by_alias(store, "odder") == [MessageKey("acme", "m-4")]


async def test_every_token_of_before_stays_good(store: Store) -> None:
    """The fingerprint at each position is the one that tokens of the version before carry."""
    expected = fingerprints_before()
    assert sorted(expected) == list(range(FLOOR + 1, LAST + 1))
    assert {position: await store.fingerprint_at(position) for position in expected} == expected
    for position, known in expected.items():
        assert len(await store.read_log(position, 100, known)) == LAST - position
    assert store.head.fingerprint == expected[LAST]


async def test_check_agrees(engine: Engine, folder: Path, store: Store) -> None:
    """The migrated store agrees with itself, also after more events."""
    await append(store, reported(EventType.BOUNCED, message_id="m-1", recipient="ADA.Lovelace@example.com"))
    await append(store, reported(EventType.CLICKED, message_id="late", recipient="LATE@example.com"))
    async with engine.auditor(folder).audit() as audit:
        assert [finding async for finding in check(audit, Summary())] == []
    assert [len(await recipients(store, name)) for name in ("m-1", "late")] == [1, 1]


async def test_an_event_of_before_is_still_known(store: Store) -> None:
    """What was reported before the migration is a duplicate when it is reported again."""
    outcomes = await append(
        store,
        reported(EventType.SENT, message_id="m-1", recipient="Ada.Lovelace@Example.com", provider_type="sent"),
        reported(EventType.SENT, message_id=" m-4", recipient="b@example.com"),
    )
    assert [outcome.position for outcome in outcomes] == [13, 20]


async def test_no_id_of_a_recipient_that_is_gone_is_given_out_again(store: Store) -> None:
    """A new recipient comes after all that ever were, so that page tokens stay good."""
    await append(store, event(message_id="new"))
    page = await store.list_recipients(StatusFilter(), None, 1)
    assert page.statuses[0].id > 19


def reported(*args: Any, **kwargs: Any) -> Event:
    """An event as it enters the log."""
    admitted = admit(event(*args, **kwargs))
    assert isinstance(admitted, Candidate)
    return admitted.event


@asynccontextmanager
async def session(dsn: str, name: str) -> AsyncIterator[Any]:
    connection = await connect(dsn, application_name=name)
    try:
        yield connection
    finally:
        await connection.close()


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
async def test_servers_of_the_version_before_must_have_ended(engine: Engine, folder: Path) -> None:
    """While one is connected the migration is refused, and says what to do; one that comes back can add nobody."""
    dsn = engine.url(folder)
    async with session(dsn, "msgstate"):
        with pytest.raises(StoreUnusable, match="stop all servers of the older version"):
            await engine.open(folder, Clock())
    await (await engine.open(folder, Clock())).close()
    async with session(dsn, "msgstate") as older:
        with pytest.raises(Exception, match="recipient_status_id_seq"):
            await older.execute("SELECT nextval('recipient_status_id_seq')")
