"""Recipients are found by the sender's own id, whichever events brought it, and the ref goes when they go."""

from msgstate_server.domain.events import EventType
from msgstate_server.store.protocol import RefKey, Store
from tests.builders import append, event


async def ids(store: Store, ref: str, provider: str = "", limit: int = 10) -> list[str]:
    return [each.status.message_id for each in await store.read_ref(RefKey(provider, ref), limit)]


async def test_every_part_is_found_by_its_ref(store: Store) -> None:
    """Recipients of any message and provider with the ref are found, by first appearance, and no others."""
    await append(
        store,
        event(message_id="order-7", message_ref="order-7"),
        event(message_id="m-1"),
        event(message_id="m-1", recipient="b@example.com", message_ref="order-7"),
        event(message_id="m-2", provider="other", message_ref="order-7"),
        event(message_id="m-3", message_ref="order-8", aliases=["order-7"]),
    )
    assert await ids(store, "order-7") == ["order-7", "m-1", "m-2"]
    assert await ids(store, "order-7", "other") == ["m-2"]
    assert await ids(store, "order-7", limit=2) == ["order-7", "m-1"]
    assert await ids(store, "m-1") == []


async def test_a_ref_that_comes_later_is_found(store: Store) -> None:
    """The first event of a recipient need not name the ref, and an event that moves nothing can bring it."""
    await append(store, event(EventType.DELIVERED, message_id="m-1"))
    assert await ids(store, "order-7") == []
    await append(store, event(EventType.ACCEPTED, message_id="m-1", message_ref="order-7"))
    (part,) = await store.read_ref(RefKey("acme", "order-7"), 10)
    assert (part.status.version, part.status.message_refs) == (1, ["order-7"])


async def test_the_history_of_a_ref_is_that_of_its_parts(store: Store) -> None:
    """The events of all parts come in the order of the log, a page at a time, with the ref on each of them."""
    await append(
        store,
        event(message_id="order-7", message_ref="order-7"),
        event(message_id="m-1", message_ref="order-7"),
        event(message_id="other"),
        event(EventType.DELIVERED, message_id="m-1"),
        event(message_id="m-1", recipient="b@example.com", message_ref="order-7"),
    )
    key = RefKey("acme", "order-7")
    entries = await store.read_ref_history(key, "", 0, 10)
    assert [entry.position for entry in entries] == [1, 2, 4, 5]
    assert {tuple(entry.message_refs) for entry in entries} == {("order-7",)}
    assert [entry.position for entry in await store.read_ref_history(key, "", 1, 2)] == [2, 4]
    assert [entry.position for entry in await store.read_ref_history(key, "b@example.com", 0, 10)] == [5]


async def test_nothing_is_left_of_who_was_forgotten(store: Store) -> None:
    """The ref of a recipient that was deleted finds nobody."""
    await append(store, event(message_id="m-1", message_ref="order-7", metadata={"account": "eu"}))
    after = store.head.commit_time + 1
    await store.compact(after, 0, 10)
    await store.forget(after, 0, 10)
    assert await ids(store, "order-7") == []
