"""Webhooks that were not understood: kept, listed, read again in the transaction that publishes them, thrown away."""

import asyncio
from typing import Any

import pytest

from msgstate_server.domain.decision import Disposition, Outcome, Payload, Problem, Submission, candidate
from msgstate_server.store.protocol import Quarantined, Store
from tests.builders import NOW, append, event, numbered, payload, positions, submission
from tests.contract.conftest import Place

PROBLEMS = [Problem("/0/type", "must be a text"), Problem("", "ends early — “sic”")]
LESS = PROBLEMS[:1]


async def listed(store: Store, provider: str = "", *, replayed: bool = False) -> list[Quarantined]:
    """All that is listed."""
    return (await store.list_quarantine(provider, replayed, None, 1_000)).payloads


async def quarantine(store: Store, body: bytes = b"body", **options: Any) -> int:
    """Put a body into quarantine; gives its id."""
    await store.append([submission(payload=payload(body, **options), problems=PROBLEMS)])
    return max(each.id for each in await listed(store, replayed=True))


def replay(quarantined_id: int, body: Payload, *numbers: int, problems: list[Problem] | None = None) -> Submission:
    """What a new reading of a quarantined body brings: events by number, and what is still not understood."""
    candidates = [candidate(event(event_id=str(number))) for number in numbers]
    return Submission(candidates, body, problems or [], quarantined_id)


async def test_body_is_kept_whole_with_its_problems(store: Store) -> None:
    """A body with problems is kept, whether or not events came out of it, and listed newest first without itself."""
    alone, partly = payload(b"alone"), payload(b"partly", account="shop", received=NOW + 1)
    await store.append([submission(payload=alone, problems=LESS)])
    assert store.head.position == 0
    await store.append([submission(event(), payload=partly, problems=PROBLEMS)])

    second, first = await listed(store)

    assert first == Quarantined(first.id, "acme", "", NOW, LESS, 5)
    assert second == Quarantined(second.id, "acme", "shop", NOW + 1, PROBLEMS, 6)
    assert await store.read_quarantined(first.id) == (first, alone)
    assert await store.read_quarantined(second.id) == (second, partly)
    assert await store.read_payload(1) == partly


@pytest.mark.parametrize("body", [b"", b"\0\xff\xfe", b"x" * 1_000_000], ids=["empty", "binary", "large"])
async def test_body_comes_back_byte_for_byte(place: Place, body: bytes) -> None:
    """A body is what came, and its size is told, after reopening too."""
    kept = await quarantine(place.store, body)
    store = await place.reopen()
    found = await store.read_quarantined(kept)
    assert found is not None
    assert (found[0].body_size, found[1].body) == (len(body), body)


async def test_body_that_is_not_there(store: Store) -> None:
    """An id that names nothing gives nothing."""
    kept = await quarantine(store)
    assert [await store.read_quarantined(each) for each in (-1, 0, kept + 1, 2**63 - 1)] == [None] * 4


async def test_same_body_is_kept_once(place: Place) -> None:
    """A webhook sent again stays as it first came, with the last reading's problems; another account's is another."""
    first = submission(payload=payload(b"x"), problems=PROBLEMS)
    again = submission(payload=payload(b"x", received=NOW + 9), problems=LESS)
    await place.store.append([first])
    before = await listed(place.store)
    await place.store.append([first])
    assert await listed(place.store) == before

    await place.store.append([first, again])
    store = await place.reopen()
    await store.append([submission(payload=payload(b"x", account="a"), problems=PROBLEMS)])
    await store.append([submission(payload=payload(b"x", provider="other"), problems=PROBLEMS)])

    *others, kept = await listed(store)
    assert [(each.provider, each.account) for each in others] == [("other", ""), ("acme", "a")]
    assert kept == Quarantined(before[0].id, "acme", "", NOW, LESS, 1)


async def test_body_without_problems_is_not_kept(store: Store) -> None:
    """What was understood is not in quarantine."""
    await store.append([submission(event(), payload=payload())])
    assert await listed(store, replayed=True) == []


@pytest.mark.parametrize("limit", [1, 3, 100])
@pytest.mark.parametrize("provider", ["", "odd"])
async def test_list_in_pages(store: Store, limit: int, provider: str) -> None:
    """Pages of any size give all that is wanted, newest first, each once, while others come in."""
    for number in range(10):
        await quarantine(store, b"%d" % number, provider="odd" if number % 2 else "even")
    wanted = [each.id for each in await listed(store, provider)]
    found: list[int] = []
    page = await store.list_quarantine(provider, False, None, limit)
    while True:
        assert len(page.payloads) <= limit
        found += [each.id for each in page.payloads]
        if page.next is None:
            break
        await quarantine(store, b"later %d" % page.next, provider="odd")
        page = await store.list_quarantine(provider, False, page.next, limit)
    assert found == wanted == sorted(wanted, reverse=True)
    assert len(wanted) == (5 if provider else 10)


async def test_what_is_wanted_lies_far_back(store: Store) -> None:
    """One call looks at a bounded number of webhooks: pages are short or empty until what is wanted comes."""
    first = await quarantine(store, b"first", provider="odd")
    bodies = [payload(b"%d" % number, provider="even") for number in range(2_500)]
    await store.append([submission(payload=each, problems=LESS) for each in bodies])
    page = await store.list_quarantine("odd", False, None, 10)
    assert page.payloads == []
    found = []
    while page.next is not None:
        page = await store.list_quarantine("odd", False, page.next, 10)
        found += [each.id for each in page.payloads]
    assert found == [first]


async def test_replay_publishes_what_is_understood_now(place: Place) -> None:
    """The events are in the log with the body that brought them, and what is still not understood is what is listed."""
    store, body = place.store, payload(b"partly", received=NOW - 5)
    kept = await quarantine(store, b"partly", received=NOW - 5)

    outcomes = await store.append([replay(kept, body, 1, 2, problems=LESS)])

    assert outcomes == [[Outcome(Disposition.ACCEPTED, 1), Outcome(Disposition.ACCEPTED, 2)]]
    assert [each.problems for each in await listed(store)] == [LESS]
    assert [await store.read_payload(position) for position in (1, 2)] == [body, body]
    await store.append([replay(kept, body, 1, 2, 3)])
    assert await listed(store) == []
    store = await place.reopen()
    assert await listed(store, replayed=True) == [Quarantined(kept, "acme", "", NOW - 5, [], 6)]


async def test_replay_again_changes_nothing(store: Store) -> None:
    """All events are duplicates at the same positions, and the body is still there to be replayed."""
    body = payload(b"x")
    kept = await quarantine(store, b"x")
    await store.append([replay(kept, body, 1, 2)])
    head = store.head
    for _ in range(2):
        assert await store.append([replay(kept, body, 1, 2)]) == [
            [Outcome(Disposition.DUPLICATE, 1), Outcome(Disposition.DUPLICATE, 2)]
        ]
    assert store.head == head
    assert [each.id for each in await listed(store, replayed=True)] == [kept]


async def test_replay_of_what_was_discarded(store: Store) -> None:
    """A body that is thrown away while its replay is under way does not come back; its events stay."""
    kept = await quarantine(store, b"x")
    under_way = [replay(kept, payload(b"x"), 1, problems=problems) for problems in ([], PROBLEMS)]
    assert await store.discard_quarantined([kept]) == 1
    for each in under_way:
        await store.append([each])
    assert await listed(store, replayed=True) == []
    assert positions(await store.read_log(0, 10)) == [1]


async def test_replay_that_fails_changes_nothing(store: Store) -> None:
    """Where the events cannot be written, the problems stay as they were."""
    kept = await quarantine(store, b"x")
    before = await listed(store)
    unstorable = Submission([candidate(event(received=2**63))], payload(b"x"), [], kept)
    with pytest.raises((OverflowError, ValueError)):
        await store.append([unstorable])
    assert (await listed(store), store.head.position) == (before, 0)


async def test_webhook_comes_again_after_it_was_replayed(store: Store) -> None:
    """Where it still has problems to the reading that takes it in, it is listed again."""
    kept = await quarantine(store, b"x")
    await store.append([replay(kept, payload(b"x"), 1)])
    assert await listed(store) == []
    assert await quarantine(store, b"x", received=NOW + 1) == kept
    assert await listed(store) == [Quarantined(kept, "acme", "", NOW, PROBLEMS, 1)]


async def test_discard(place: Place) -> None:
    """Those that were there are counted and gone for good; their numbers are not used again, their events stay."""
    store = place.store
    await store.append([submission(event(), payload=payload(b"0"), problems=PROBLEMS)])
    ids = [await quarantine(store, b"%d" % number) for number in range(5)]
    assert await store.discard_quarantined([ids[1], ids[3], ids[3], ids[4], 10_000, 0, -1]) == 3
    assert await store.discard_quarantined([ids[1]]) == 0
    assert await store.discard_quarantined([]) == 0
    store = await place.reopen()
    assert [each.id for each in await listed(store)] == [ids[2], ids[0]]
    assert await store.read_quarantined(ids[4]) is None
    assert await quarantine(store, b"new") > ids[4]
    assert await store.read_payload(1) == payload(b"0")


async def test_discard_beside_commits(store: Store) -> None:
    """While events are committed, what is discarded is, and nothing else."""
    ids = [await quarantine(store, b"%d" % number) for number in range(20)]
    *_, discarded = await asyncio.gather(
        *(append(store, each) for each in numbered(50)), store.discard_quarantined(ids[::2])
    )
    assert discarded == 10
    assert [each.id for each in await listed(store)] == ids[::-2]
    assert store.head.position == 50


async def test_find_positions(store: Store) -> None:
    """Every event that is in the log is found under its own recipient, in the order that was asked."""
    await append(store, *numbered(20, messages=4))
    one = event(event_id="e3", message_id="m3")
    asked = [*reversed(numbered(20, messages=4)), event(message_id="new"), one, numbered(1)[0]]
    assert await store.find_positions([candidate(each) for each in asked]) == [*range(20, 0, -1), 0, 0, 1]
    assert await store.find_positions([]) == []
    one_id = [event(message_id="one id", recipient=recipient, event_id="1") for recipient in "abc"]
    await append(store, *one_id[:2])
    assert await store.find_positions([candidate(each) for each in one_id]) == [21, 22, 0]
    everyone = [candidate(each) for each in numbered(1_000, first=5_000)]
    assert await store.find_positions(everyone) == [0] * 1_000
