"""Raw bodies: kept with the events that they brought, and in quarantine where they were not understood."""

import pytest

from msgstate_server.domain.decision import Payload, Problem
from msgstate_server.store.protocol import Store
from tests.builders import NOW, append, event, numbered, payload, positions, submission
from tests.contract.conftest import Place

PROBLEMS = [Problem("/0/type", "must be a text"), Problem("", "ends early — “sic”")]


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


async def test_quarantine_keeps_the_body_and_its_problems(store: Store) -> None:
    """A body with problems is kept whole, whether or not events came out of it."""
    alone, partly = payload(b"alone"), payload(b"partly", account="shop", received=NOW + 1)
    await store.append([submission(payload=alone, problems=PROBLEMS[:1])])
    assert store.head.position == 0
    await store.append([submission(event(), payload=partly, problems=PROBLEMS)])
    found = await store.read_quarantine(0, 10)
    assert [(each.payload, each.problems) for each in found] == [(alone, PROBLEMS[:1]), (partly, PROBLEMS)]
    assert await store.read_payload(1) == partly


async def test_quarantine_keeps_the_same_body_once(place: Place) -> None:
    """A webhook sent again is kept as it first came; the same bytes from another provider or account are another."""
    first = submission(payload=payload(b"x"), problems=PROBLEMS)
    await place.store.append([first])
    again = submission(payload=payload(b"x", received=NOW + 9), problems=PROBLEMS[:1])
    await place.store.append([first, again])
    store = await place.reopen()
    await store.append([again, submission(payload=payload(b"x", account="a"), problems=PROBLEMS)])
    await store.append([submission(payload=payload(b"x", provider="other"), problems=PROBLEMS)])
    found = await store.read_quarantine(0, 10)
    assert [each.payload for each in found] == [
        payload(b"x"),
        payload(b"x", account="a"),
        payload(b"x", provider="other"),
    ]
    assert found[0].problems == PROBLEMS


async def test_body_without_problems_is_not_quarantined(store: Store) -> None:
    """What was understood is not in quarantine."""
    await store.append([submission(event(), payload=payload())])
    assert await store.read_quarantine(0, 10) == []


@pytest.mark.parametrize("limit", [1, 3, 100])
async def test_read_quarantine_in_pages(store: Store, limit: int) -> None:
    """Pages of any size give all, by rising id, in the order in which they came."""
    bodies = [b"%d" % number for number in range(10)]
    for body in bodies:
        await store.append([submission(payload=payload(body), problems=PROBLEMS)])
    read, after = [], 0
    while page := await store.read_quarantine(after, limit):
        assert len(page) <= limit
        read += [each.payload.body for each in page]
        assert [each.id for each in page] == sorted({each.id for each in page})
        after = page[-1].id
    assert read == bodies


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
