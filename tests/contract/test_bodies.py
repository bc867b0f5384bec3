"""Raw bodies: kept with the events that they brought."""

import pytest

from msgstate_server.domain.decision import Payload, Problem
from msgstate_server.store.protocol import Store
from tests.builders import NOW, append, event, numbered, payload, positions, submission
from tests.contract.conftest import Place

PROBLEMS = [Problem("", "not understood")]


async def test_payload_is_found_by_each_position_it_brought(store: Store) -> None:
    """Every event of a request leads to the body that brought it, and to no other's."""
    first, second = payload(b"first", account="shop"), payload(b"second")
    await append(store, event())
    await store.append([submission(*numbered(2), payload=first), submission(*numbered(1, first=2), payload=second)])
    assert [await store.read_payload(position) for position in range(6)] == [None, None, first, first, second, None]


@pytest.mark.parametrize("body", [b"", b"\0\xff\xfe", b"x" * 1_000_000], ids=["empty", "binary", "large"])
async def test_payload_comes_back_byte_for_byte(place: Place, body: bytes) -> None:
    """A body is what came, whatever was in it, after reopening too."""
    kept = Payload("emailit", "shop", NOW - 1, body)
    await place.store.append([submission(event(), payload=kept)])
    assert await place.store.read_payload(1) == kept
    store = await place.reopen()
    assert await store.read_payload(1) == kept


async def test_payload_of_a_duplicate_is_not_kept(store: Store) -> None:
    """The event that stands keeps the body that brought it: one sent again leaves no second, partly new ones do."""
    first, again, partly = payload(b"first"), payload(b"again"), payload(b"partly")
    one, two = numbered(2)
    await store.append([submission(one, payload=first)])
    await store.append([submission(one, payload=again)])
    await store.append([submission(one, two, payload=partly)])
    assert [await store.read_payload(position) for position in (1, 2)] == [first, partly]


async def test_event_that_came_without_a_body(store: Store) -> None:
    """An event published over gRPC has none, and does not get that of a webhook that repeats it."""
    await append(store, event())
    await store.append([submission(event(), payload=payload())])
    assert await store.read_payload(1) is None


async def test_bodies_do_not_hold_up_the_log(store: Store) -> None:
    """Positions stay dense where requests with and without bodies, events and problems share a transaction."""
    await store.append(
        [
            submission(payload=payload(b"1"), problems=PROBLEMS),
            submission(event(event_id="1"), payload=payload(b"2")),
            submission(event(event_id="2")),
        ]
    )
    assert positions(await store.read_log(0, 10)) == [1, 2]
    assert await store.read_payload(1) == payload(b"2")
    assert await store.read_payload(2) is None
