"""The schema is brought up to date beside servers that run, by one of them, or stays as it was."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg
import pytest

from msgstate_server.domain.errors import StoreUnusable
from msgstate_server.store.check import Finding, Summary, check
from msgstate_server.store.postgres import PostgresAuditor, PostgresStore, PostgresUpkeep, migrations, sessions
from msgstate_server.store.postgres.connection import connect
from msgstate_server.store.postgres.migrations import MIGRATIONS, Migration, migrate
from tests.builders import Clock, append, numbered, positions
from tests.postgres.databases import Databases
from tests.rpc.running import eventually

LATER: Final = Migration("9001_pre_note", "ALTER TABLE recipient_status ADD COLUMN note text NOT NULL DEFAULT 'none';")
LAST: Final = Migration("9002_post_note", "ALTER TABLE recipient_status DROP COLUMN note;")
NAMES: Final = [migration.name for migration in MIGRATIONS]


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[Any]:
    connection = await connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


async def migrated(dsn: str, *later: Migration, post: bool = False) -> list[str]:
    """Bring a database up to date as a version would that knows these too."""
    async with connected(dsn) as connection:
        return await migrate(connection, post=post, known=[*MIGRATIONS, *later])


async def schema(dsn: str) -> list[tuple[str, str]]:
    """Every table and column that is msgstate's."""
    async with connected(dsn) as connection:
        found = await connection.fetch(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'msgstate'"
        )
    return sorted(map(tuple, found))


async def test_one_of_many_makes_the_schema(postgres_dsn: str) -> None:
    """Of many who migrate an empty database at once one does it, and the others find it done."""
    done = await asyncio.gather(*[migrated(postgres_dsn) for _ in range(12)])

    assert sorted(done) == [[]] * 11 + [NAMES]


async def busy(store: PostgresStore, stop: asyncio.Event, turns: list[int]) -> int:
    """Write and read until told to stop; gives how many events were written."""
    written = 0
    while not stop.is_set() or written == 0:
        await append(store, *numbered(5, messages=3, first=written))
        written += 5
        await store.read_recipients("m1", "", "", 10)
        await store.read_log(max(0, written - 5), 5)
        turns.append(written)
    return written


async def test_a_server_goes_on_through_a_migration(postgres_dsn: str) -> None:
    """What `serve` applies by itself disturbs no server of the version before, nor one that starts on it later."""
    store = await PostgresStore.open(postgres_dsn, Clock())
    stop, turns = asyncio.Event(), list[int]()
    working = asyncio.create_task(busy(store, stop, turns))
    await eventually(lambda: len(turns) >= 5)
    assert await migrated(postgres_dsn, LATER, LAST) == [LATER.name]
    count = len(turns)
    await eventually(lambda: len(turns) >= count + 5)
    stop.set()
    written = await working
    await store.close()

    older = await PostgresStore.open(postgres_dsn, Clock())
    assert positions(await append(older, *numbered(2, first=written))) == [written + 1, written + 2]
    await older.close()
    assert await problems(postgres_dsn) == []
    assert ("recipient_status", "note") in await schema(postgres_dsn)


async def test_a_server_outlives_another_type_of_a_column(postgres_dsn: str) -> None:
    """A statement that was prepared before a migration is prepared anew, and what came meanwhile is written."""
    wider = Migration("9003_pre_wider", "ALTER TABLE recipient_status ALTER version TYPE bigint;")
    store = await PostgresStore.open(postgres_dsn, Clock())
    assert positions(await append(store, *numbered(2))) == [1, 2]
    assert await migrated(postgres_dsn, wider) == [wider.name]
    assert positions(await append(store, *numbered(2, first=2))) == [3, 4]
    await store.close()


async def problems(dsn: str) -> list[Finding]:
    async with PostgresAuditor(dsn).audit() as audit:
        return [finding async for finding in check(audit, Summary())]


async def test_what_takes_away_is_applied_when_asked(postgres_dsn: str) -> None:
    """A `post` migration waits until it is asked for, and then a version that does not know it is refused."""
    await migrated(postgres_dsn, LATER, LAST)
    assert await migrated(postgres_dsn, LATER, LAST) == []
    assert await migrated(postgres_dsn, LATER, LAST, post=True) == [LAST.name]

    async def serve() -> None:
        await PostgresStore.open(postgres_dsn, Clock())

    async def look() -> None:
        await asyncio.to_thread(PostgresUpkeep(postgres_dsn).condition)

    for use in (serve, look, lambda: problems(postgres_dsn), lambda: migrated(postgres_dsn)):
        with pytest.raises(
            StoreUnusable, match=rf"taken away what .* needs \({LAST.name}\): run that version or a later"
        ):
            await use()


async def test_a_migration_that_fails_leaves_nothing(postgres_dsn: str) -> None:
    """All that is missing is one transaction: where one fails nothing of the others stays."""
    faulty = Migration("9003_pre_fault", "CREATE TABLE fault (n int); SELECT 1 / 0;")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrated(postgres_dsn, LATER, faulty)
    assert await schema(postgres_dsn) == []

    await migrated(postgres_dsn)
    before = await schema(postgres_dsn)
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrated(postgres_dsn, LATER, faulty)
    assert await schema(postgres_dsn) == before
    assert await migrated(postgres_dsn, LATER) == [LATER.name]


async def test_a_table_in_use_is_told(postgres_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a long query a migration waits a little, again and again, and others read meanwhile; then it gives up."""
    monkeypatch.setattr(migrations, "_TRIES", 3)
    store = await PostgresStore.open(postgres_dsn, Clock())
    async with connected(postgres_dsn) as reader:
        await reader.execute("SET idle_in_transaction_session_timeout = 0; BEGIN; SELECT FROM recipient_status")
        migrating = asyncio.create_task(migrated(postgres_dsn, LATER))
        slowest = 0.0
        while not migrating.done():
            began = asyncio.get_running_loop().time()
            await append(store, *numbered(1))
            slowest = max(slowest, asyncio.get_running_loop().time() - began)
        with pytest.raises(StoreUnusable, match="in use all the time: stop long queries"):
            await migrating
        await reader.execute("ROLLBACK")
    await store.close()

    assert slowest < 5
    assert await migrated(postgres_dsn, LATER) == [LATER.name]


async def test_who_comes_later_waits_for_a_long_migration(
    postgres: Databases, postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one server migrates, the others wait until that is done, however long they may wait for any other lock."""
    await migrated(postgres_dsn)
    monkeypatch.setattr(migrations, "_TRIES", 1)
    monkeypatch.setitem(sessions.SETTINGS, "lock_timeout", "20ms")
    async with connected(postgres_dsn) as first:
        await first.execute("SET idle_in_transaction_session_timeout = 0; BEGIN; SELECT FROM migration FOR UPDATE")
        waiting = asyncio.create_task(migrated(postgres_dsn, LATER))
        waits = (
            "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = $1"
            " AND clock_timestamp() > query_start + interval '200ms'"
        )
        await eventually(lambda: waiting.done() or bool(postgres.query(waits, postgres_dsn.rpartition("/")[2])))
        assert not waiting.done()
        await first.execute("COMMIT")
        assert await waiting == [LATER.name]


@pytest.mark.parametrize("sqlstate", ["40P01", "40001", "55P03"])
async def test_what_is_undone_is_tried_again(sqlstate: str, postgres_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the database undoes a migration because of what servers do beside it, it is begun anew."""
    monkeypatch.setattr(migrations, "_TRIES", 2)
    await migrated(postgres_dsn)
    always = Migration("9003_pre_undone", f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{sqlstate}'; END $$;")
    with pytest.raises(StoreUnusable, match="in use all the time"):
        await migrated(postgres_dsn, always)


@pytest.fixture
def user_dsn(postgres: Databases, postgres_dsn: str) -> Iterator[str]:
    """The database, for a user who may make nothing in it."""
    database = postgres_dsn.rpartition("/")[2]
    name = f"user_of_{database}"
    postgres.query(f"CREATE ROLE {name} LOGIN")
    yield postgres_dsn.replace("postgres@", f"{name}@")
    postgres.query(f"DROP OWNED BY {name} CASCADE", database=database)
    postgres.query(f"DROP ROLE {name}")


async def test_a_user_who_may_make_nothing_is_told(postgres: Databases, postgres_dsn: str, user_dsn: str) -> None:
    """Without the right to make the schema the mend is named; made for the user, it is enough."""
    with pytest.raises(StoreUnusable, match=r"permission denied for database .* AUTHORIZATION"):
        await PostgresStore.open(user_dsn, Clock())

    database, user = postgres_dsn.rpartition("/")[2], user_dsn.partition("//")[2].partition("@")[0]
    postgres.query(f"CREATE SCHEMA msgstate AUTHORIZATION {user}", database=database)
    store = await PostgresStore.open(user_dsn, Clock())
    assert positions(await append(store, *numbered(1))) == [1]
    await store.close()
    assert await migrated(user_dsn) == []


async def test_a_schema_of_another_user_is_told(postgres_dsn: str, user_dsn: str) -> None:
    """A user who may not use what another one made is told whose rights are missing."""
    await migrated(postgres_dsn)

    async def look() -> None:
        await asyncio.to_thread(PostgresUpkeep(user_dsn).condition)

    for use in (lambda: PostgresStore.open(user_dsn, Clock()), look, lambda: problems(user_dsn)):
        with pytest.raises(StoreUnusable, match="permission denied for schema msgstate"):
            await use()


async def test_a_table_of_another_user_is_told(postgres: Databases, postgres_dsn: str, user_dsn: str) -> None:
    """A user with too few of the rights on what another one made is told which is missing, before it serves."""
    await migrated(postgres_dsn)
    database, user = postgres_dsn.rpartition("/")[2], user_dsn.partition("//")[2].partition("@")[0]
    postgres.query(f"GRANT USAGE ON SCHEMA msgstate TO {user}", database=database)
    postgres.query(f"GRANT ALL ON msgstate.migration TO {user}", database=database)
    for use in (lambda: PostgresStore.open(user_dsn, Clock()), lambda: problems(user_dsn)):
        with pytest.raises(StoreUnusable, match="permission denied for table head"):
            await use()


async def test_who_waits_is_told_what_is_done(postgres_dsn: str) -> None:
    """A database that held something is announced; a new one, and one that is up to date, are not."""
    announced: list[Sequence[str]] = []
    async with connected(postgres_dsn) as connection:
        for later in ((), (), (LATER,)):
            await migrate(connection, announced.append, known=[*MIGRATIONS, *later])
    assert announced == [[LATER.name]]
