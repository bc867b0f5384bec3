"""What is in the tables where no method of the store shows it."""

from msgstate_server.store.protocol import MessageKey, StatusFilter
from msgstate_server.store.sqlite import SqliteStore
from tests.builders import append, event, find_by_alias, numbered, payload, submission
from tests.unit.store.conftest import connected


async def test_one_body_per_request_that_brought_something_new(store: SqliteStore) -> None:
    """A body is one row, however many events it brought, and none where all of them were known."""
    one, two, three = numbered(3)
    await store.append([submission(one, two, payload=payload(b"1")), submission(two, payload=payload(b"2"))])
    await store.append([submission(one, payload=payload(b"3")), submission(three, one, payload=payload(b"4"))])
    with connected(store.path) as connection:
        assert connection.execute("SELECT count(*) FROM payload").fetchone() == (2,)
        ids = connection.execute("SELECT payload_id FROM event ORDER BY position").fetchall()
    assert ids == [(1,), (1,), (2,)]


async def test_alias_of_one_hash_is_told_by_its_text(store: SqliteStore) -> None:
    """Two aliases that fall together in the index are told apart by what they are."""
    await append(store, event(message_id="m1", aliases=["one"]), event(message_id="m2", aliases=["two"]))
    with connected(store.path) as connection:
        connection.execute("UPDATE alias SET alias_hash = ?", (store._hashes.alias("two"),))  # noqa: SLF001
    assert await find_by_alias(store, "two") == [MessageKey("acme", "m2")]


async def test_message_of_one_hash_is_told_by_its_text(store: SqliteStore) -> None:
    """Two message ids that fall together in the index are told apart by what they are."""
    await append(store, event(message_id="m1"), event(message_id="m2", recipient="b"))
    with connected(store.path) as connection:
        (wanted,) = connection.execute("SELECT message_hash FROM recipient_status WHERE message_id = 'm1'").fetchone()
        connection.execute("UPDATE recipient_status SET message_hash = ?", (wanted,))
    assert [status.message_id for status in await store.read_recipients("m1", "", "", 10)] == ["m1"]
    assert await store.find_messages("m1", "", 10) == [MessageKey("acme", "m1")]
    assert sum((await store.count_recipients(MessageKey("acme", "m1"))).values()) == 1


async def test_lists_tell_one_hash_apart_by_the_text(store: SqliteStore) -> None:
    """Messages and addresses that fall together in the indexes are listed each for itself."""
    await append(store, event(message_id="m1", recipient="a"), event(message_id="m2", recipient="b"))
    with connected(store.path) as connection:
        connection.execute("UPDATE recipient_status SET message_hash = ?", (store._hashes.message("m1"),))  # noqa: SLF001
        connection.execute("UPDATE recipient_status SET address_hash = ?", (store._hashes.address("a"),))  # noqa: SLF001
    for wanted in (StatusFilter(message_id="m1"), StatusFilter(recipient="a")):
        page = await store.list_recipients(wanted, None, 10)
        assert [stored.status.message_id for stored in page.statuses] == ["m1"]
    assert [len(found) for found in await store.read_messages([MessageKey("", "m1")], 10)] == [1]
    assert [entry.position for entry in await store.read_history(MessageKey("acme", "m1"), "", 0, 10)] == [1]


async def test_nothing_is_left_of_who_was_forgotten(store: SqliteStore) -> None:
    """With a recipient's row go those of its aliases and, with its events, those of the bodies that brought them."""
    one, two = event(message_id="m1", aliases=["one", "both"]), event(message_id="m2", aliases=["two", "both"])
    await store.append([submission(one, two, payload=payload())])
    after = store.head.commit_time + 1
    assert (await store.compact(after, 0, 10)).deleted == 2
    assert (await store.forget(after, 0, 10)).deleted == 2
    with connected(store.path) as connection:
        for table in ("event", "recipient_status", "alias", "payload"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table  # noqa: S608
