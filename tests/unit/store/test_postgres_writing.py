"""Servers that write beside each other: what one undoes of another is done again, and what is lasting lasts."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from msgstate_server.domain.decision import Problem, Submission
from msgstate_server.store import protocol
from msgstate_server.store.postgres import PostgresStore, connection, writer
from msgstate_server.store.postgres.connection import connect
from tests.builders import NOW, Clock, append, event, numbered, payload, positions, submission
from tests.postgres.databases import Databases

ROUNDS = 20
SECONDS = 3
"""Less than a lock is waited for."""
Step = Callable[[PostgresStore, int, int, int], Awaitable[protocol.Step]]
PROBLEMS = [Problem("", "ends early")]


def bodies(numbers: Sequence[int], problems: Sequence[Problem]) -> list[Submission]:
    """Webhooks of which nothing is understood."""
    return [submission(payload=payload(str(number).encode()), problems=problems) for number in numbers]


@pytest.fixture
def undone(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How often before each transaction was tried that is tried again."""
    tries: list[int] = []

    async def pause(before: int) -> None:
        tries.append(before)

    monkeypatch.setattr(writer, "pause", pause)
    return tries


async def test_the_same_bodies_at_two_servers(postgres_dsn: str, undone: list[int]) -> None:
    """Webhooks that come to two servers in another order go to quarantine side by side, listed as they came."""
    one, other = [await PostgresStore.open(postgres_dsn, Clock()) for _ in range(2)]
    try:
        for number in range(ROUNDS):
            numbers = range(20 * number, 20 * number + 20)
            await asyncio.gather(one.append(bodies(numbers, PROBLEMS)), other.append(bodies(numbers[::-1], PROBLEMS)))
            changed = [Problem("", f"{number}")]
            await asyncio.gather(one.append(bodies(numbers, changed)), other.append(bodies(numbers[::-1], changed)))
        page = await one.list_quarantine("", False, None, 1_000)
        await one.append(bodies([10_000, 10_003, 10_001, 10_002], PROBLEMS))
        found = [
            await one.read_quarantined(each.id) for each in (await one.list_quarantine("", False, None, 4)).payloads
        ]
    finally:
        await one.close()
        await other.close()

    assert undone == []
    assert len(page.payloads) == 20 * ROUNDS
    assert [each[1].body for each in found if each] == [b"10002", b"10001", b"10003", b"10000"]


async def test_recipients_in_another_order_at_two_servers(postgres_dsn: str, undone: list[int]) -> None:
    """Whatever order the same recipients come in, new or known, two servers never wait for each other in a circle."""
    one, other = [await PostgresStore.open(postgres_dsn, Clock()) for _ in range(2)]
    try:
        for number in range(ROUNDS):
            names = [f"m{place}" for place in range(50 * number, 50 * number + 100)]
            for turn in ("new", "known"):
                ours, theirs = (
                    [event(message_id=name, event_id=f"{turn} {number} {who}") for name in names] for who in range(2)
                )
                await asyncio.gather(append(one, *ours), append(other, *theirs[::-1]))
    finally:
        await one.close()
        await other.close()

    assert undone == []


def when_the_head_moves(postgres: Databases, database: str, statements: str) -> None:
    """Have a database do this within every transaction that takes positions."""
    postgres.query(
        f"""CREATE FUNCTION msgstate.seen() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN {statements}; RETURN NULL; END
        $$""",
        database=database,
    )
    trigger = "CREATE TRIGGER seen AFTER UPDATE ON msgstate.head FOR EACH STATEMENT EXECUTE FUNCTION msgstate.seen()"
    postgres.query(trigger, database=database)


@pytest.mark.parametrize("sqlstate", ["40001", "40P01", "55P03"])
async def test_what_another_undid_is_tried_again(
    sqlstate: str, postgres: Databases, postgres_dsn: str, undone: list[int]
) -> None:
    """A transaction that the database undoes as it meets another one is begun anew, and takes its positions once."""
    database = postgres_dsn.rpartition("/")[2]
    store = await PostgresStore.open(postgres_dsn, Clock())
    # What a sequence gives is not undone.
    postgres.query("CREATE SEQUENCE msgstate.tries", database=database)
    undo = f"IF nextval('msgstate.tries') < 3 THEN RAISE EXCEPTION USING ERRCODE = '{sqlstate}'; END IF"
    when_the_head_moves(postgres, database, undo)
    try:
        assert positions(await append(store, *numbered(3))) == [1, 2, 3]
        assert positions(await store.read_log(0, 10)) == [1, 2, 3]
    finally:
        await store.close()

    assert undone == [0, 1]


@pytest.mark.parametrize(("default", "held"), [("off", "on"), ("local", "on"), ("remote_apply", "remote_apply")])
async def test_a_commit_outlasts_a_crash(default: str, held: str, postgres: Databases, postgres_dsn: str) -> None:
    """However commits are set for others, those of a store wait for the disk, and for no less than they are set to."""
    database = postgres_dsn.rpartition("/")[2]
    postgres.query(f"ALTER DATABASE {database} SET synchronous_commit = {default}")
    store = await PostgresStore.open(postgres_dsn, Clock())
    postgres.query("CREATE TABLE msgstate.held (setting text)", database=database)
    when_the_head_moves(postgres, database, "INSERT INTO msgstate.held VALUES (current_setting('synchronous_commit'))")
    try:
        await append(store, *numbered(1))
    finally:
        await store.close()

    ((found,),) = postgres.query("SELECT setting FROM msgstate.held", database=database)
    assert found == held


@pytest.mark.parametrize("step", [PostgresStore.compact, PostgresStore.forget])
async def test_retention_passes_over_who_is_written_to(step: Step, postgres_dsn: str) -> None:
    """Of a recipient whom another server writes to nothing is deleted, nor is it waited for; it is found later."""
    store = await PostgresStore.open(postgres_dsn, Clock())
    await append(store, *numbered(3))
    if step is PostgresStore.forget:
        await store.compact(NOW + 1, 0, 100)
    writing = await connect(postgres_dsn, idle_in_transaction_session_timeout="0")
    await writing.execute("BEGIN; SELECT FROM recipient_status WHERE message_id = 'm1' FOR NO KEY UPDATE")
    try:
        async with asyncio.timeout(SECONDS):
            assert (await step(store, NOW + 1, 0, 100)).deleted == 2
        await writing.execute("ROLLBACK")
        assert (await step(store, NOW + 1, 0, 100)).deleted == 1
    finally:
        await writing.close()
        await store.close()


async def test_whom_retention_forgets_amid_a_write(
    postgres: Databases, postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A recipient who is there as a write begins, and forgotten before it has the lock, is made anew, and once."""
    database = postgres_dsn.rpartition("/")[2]
    store = await PostgresStore.open(postgres_dsn, Clock())
    await append(store, *numbered(2))
    await store.compact(NOW + 1, 0, 100)
    forgotten = iter(["DELETE FROM msgstate.recipient_status WHERE message_id = 'm1'"])

    def forget() -> None:
        for statement in forgotten:
            postgres.query(statement, database=database)

    monkeypatch.setattr("msgstate_server.failpoints._armed", {"write.after_statuses": forget})
    try:
        assert positions(await append(store, *numbered(2, first=2), *numbered(2))) == [3, 4, 5, 6]
        (anew,) = await store.read_recipients("m1", "", "", 10)
        assert (anew.version, anew.compact_time) == (1, None)
    finally:
        await store.close()


async def test_whom_retention_forgot_is_inserted_while_no_lock_is_held(
    postgres: Databases, postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that remembers a forgotten recipient never deadlocks with another that inserts the same recipients."""
    database = postgres_dsn.rpartition("/")[2]
    store, other = [await PostgresStore.open(postgres_dsn, Clock()) for _ in range(2)]
    undone: list[BaseException] = []

    def is_undone(error: BaseException) -> bool:
        undone.append(error)
        return connection.is_undone(error)

    monkeypatch.setattr(writer, "is_undone", is_undone)
    await append(store, *numbered(1))
    await append(other, *numbered(2))
    inserting = await connect(postgres_dsn, idle_in_transaction_session_timeout="0")
    await inserting.execute("CREATE TEMP TABLE kept AS SELECT * FROM recipient_status")
    postgres.query("DELETE FROM msgstate.recipient_status", database=database)
    insert = "INSERT INTO recipient_status SELECT * FROM kept WHERE message_id = $1"
    await inserting.execute("BEGIN")
    await inserting.execute(insert, "m0")
    tasks: list[asyncio.Task[None]] = []

    async def finish_inserting() -> None:
        await inserting.execute(insert, "m1")
        await inserting.execute("ROLLBACK")

    def after_statuses() -> None:
        if not tasks:
            tasks.append(asyncio.create_task(finish_inserting()))

    monkeypatch.setattr("msgstate_server.failpoints._armed", {"write.after_statuses": after_statuses})
    try:
        assert len(await append(store, *numbered(2, 2, first=4))) == 2
        await asyncio.gather(*tasks)
        assert [type(error) for error in undone] == [connection.StartOver]
    finally:
        await inserting.close()
        await store.close()
        await other.close()
