"""The history of one message, found as its status is."""

import pytest

from msgstate_server.domain.errors import MessageAmbiguous, MessageNotFound
from msgstate_server.domain.events import EventType
from msgstate_server.queries import HistoryPage, get_history
from msgstate_server.store.protocol import MessageKey
from msgstate_server.store.sqlite import SqliteStore
from tests.builders import append, event, positions


async def history(
    store: SqliteStore, message_id: str, provider: str = "", recipient: str = "", **place: int
) -> HistoryPage:
    """A page of a message's history, the first and a large one if nothing else is said."""
    place = {"after": 0, "limit": 100} | place
    return await get_history(store, MessageKey(provider, message_id), recipient, **place)


async def test_pages_end_with_the_history(store: SqliteStore) -> None:
    """Each page says where to go on, and the last that there is nothing more."""
    for kind in (EventType.ACCEPTED, EventType.SENT, EventType.READ, EventType.BOUNCED):
        await append(store, event(kind), event(kind, message_id="another"))
    assert positions((await history(store, "m")).entries) == [1, 3, 5, 7]
    first = await history(store, "m", limit=2)
    assert (positions(first.entries), first.next) == ([1, 3], 3)
    last = await history(store, "m", after=3, limit=2)
    assert (positions(last.entries), last.next) == ([5, 7], None)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (("m1", "", ""), [1, 2]),
        (("m1", "acme", "a"), [1]),
        (("alias", "", ""), [1, 2]),
        (("alias", "", "b"), [2]),
        (("m2", "other", ""), [4]),
        (("m2", "", "z"), [4]),
    ],
)
async def test_found_as_a_status_is(store: SqliteStore, asked: tuple[str, str, str], expected: list[int]) -> None:
    """By id, alias, provider and recipient."""
    await append(store, event(message_id="m1", recipient="a", aliases=["alias"]), event(message_id="m1", recipient="b"))
    await append(store, event(message_id="m2", recipient="a"), event(message_id="m2", provider="other", recipient="z"))
    assert positions((await history(store, *asked)).entries) == expected


async def test_what_names_no_message_or_several(store: SqliteStore) -> None:
    """The errors are those of a status."""
    await append(store, event(), event(provider="other"), event(message_id="n", recipient="b"))
    for message_id, provider, recipient in (("none", "", ""), ("m", "nobody", ""), ("n", "acme", "a@example.com")):
        with pytest.raises(MessageNotFound):
            await history(store, message_id, provider, recipient)
    with pytest.raises(MessageAmbiguous):
        await history(store, "m")
    await append(store, *(event(recipient=str(number)) for number in range(100)))
    with pytest.raises(MessageAmbiguous):
        await history(store, "m")
