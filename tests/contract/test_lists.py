"""Lists of recipients: newest first, each that matches once, whatever arrives meanwhile."""

import pytest

from msgstate_server.domain.events import EventType
from msgstate_server.domain.states import State
from msgstate_server.domain.status import RecipientStatus
from msgstate_server.store.protocol import StatusFilter, Store
from tests.builders import NOW, SECOND, TYPES, append, event
from tests.contract.conftest import Place


async def listed(store: Store, wanted: StatusFilter | None = None, limit: int = 100) -> list[RecipientStatus]:
    """The whole list, page after page."""
    found: list[RecipientStatus] = []
    before: int | None = None
    while True:
        page = await store.list_recipients(wanted or StatusFilter(), before, limit)
        assert len(page.statuses) <= limit
        found += [stored.status for stored in page.statuses]
        if page.next is None:
            return found
        before = page.next


def ids(found: list[RecipientStatus]) -> list[str]:
    """The message ids of a list."""
    return [status.message_id for status in found]


async def test_an_empty_list(store: Store) -> None:
    """Where nothing is known there is one page, with nothing on it."""
    page = await store.list_recipients(StatusFilter(), None, 10)
    assert (page.statuses, page.next) == ([], None)


@pytest.mark.parametrize("limit", [1, 3, 6, 7, 8, 1_000])
async def test_pages_of_any_size_give_all_newest_first(store: Store, limit: int) -> None:
    """The order is that of first appearance, whatever happened to a recipient since."""
    for number in range(7):
        await append(store, event(message_id=f"m{number}"))
    await append(store, event(EventType.READ, message_id="m2"))
    assert ids(await listed(store, limit=limit)) == [f"m{number}" for number in range(6, -1, -1)]


async def test_the_last_page_says_so(store: Store) -> None:
    """A page that ends with the list has nothing to go on before."""
    await append(store, *(event(message_id=f"m{number}") for number in range(6)))
    page = await store.list_recipients(StatusFilter(), None, 3)
    assert page.next == page.statuses[-1].id
    assert (await store.list_recipients(StatusFilter(), page.next, 3)).next is None


async def test_statuses_are_whole(store: Store) -> None:
    """What is listed is what a look-up gives."""
    await append(store, *(event(kind, aliases=[kind.name], detail="why") for kind in TYPES))
    assert await listed(store) == await store.read_recipients("m", "", "", 10)


async def test_what_arrives_meanwhile_is_not_on_later_pages(store: Store) -> None:
    """New recipients come before the place that a page ends at, and never push anything over it."""
    await append(store, *(event(message_id=f"m{number}") for number in range(10)))
    first = await store.list_recipients(StatusFilter(), None, 4)
    await append(store, *(event(message_id=f"new{number}") for number in range(10)))
    await append(store, *(event(EventType.READ, message_id=f"m{number}") for number in range(10)))
    second = await store.list_recipients(StatusFilter(), first.next, 100)
    found = [stored.status.message_id for page in (first, second) for stored in page.statuses]
    assert found == [f"m{number}" for number in range(9, -1, -1)]


async def story(place: Place) -> Store:
    """Five recipients that differ in everything that can be asked for, one second apart."""
    for number, (kind, provider, message_id, recipient) in enumerate(
        [
            (EventType.SENT, "acme", "m1", "a@example.com"),
            (EventType.BOUNCED, "acme", "m1", "b@example.com"),
            (EventType.ERRORED, "other", "m1", "a@example.com"),
            (EventType.READ, "other", "m2", "a@example.com"),
            (EventType.SENT, "third", "m3", "c@example.com"),
        ]
    ):
        place.clock.now = NOW + number * SECOND
        await append(place.store, event(kind, provider=provider, message_id=message_id, recipient=recipient))
    return place.store


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (StatusFilter(), [5, 4, 3, 2, 1]),
        (StatusFilter(states=frozenset({State.SENT})), [5, 1]),
        (StatusFilter(states=frozenset({State.FAILED})), [3, 2]),
        (StatusFilter(states=frozenset({State.FAILED, State.ENGAGED})), [4, 3, 2]),
        (StatusFilter(states=frozenset({State.SUPPRESSED})), []),
        (StatusFilter(providers=frozenset({"acme"})), [2, 1]),
        (StatusFilter(providers=frozenset({"acme", "third", "nobody"})), [5, 2, 1]),
        (StatusFilter(message_id="m1"), [3, 2, 1]),
        (StatusFilter(message_id="M1"), []),
        (StatusFilter(recipient="a@example.com"), [4, 3, 1]),
        (StatusFilter(recipient="A@example.com"), []),
        (StatusFilter(message_id="m1", recipient="a@example.com"), [3, 1]),
        (StatusFilter(message_id="m3", recipient="a@example.com"), []),
        (StatusFilter(updated_after=NOW + 2 * SECOND), [5, 4, 3]),
        (StatusFilter(updated_after=NOW + 2 * SECOND + 1), [5, 4]),
        (StatusFilter(updated_before=NOW + 2 * SECOND), [2, 1]),
        (StatusFilter(updated_after=NOW + SECOND, updated_before=NOW + 3 * SECOND), [3, 2]),
        (StatusFilter(updated_after=NOW + 3 * SECOND, updated_before=NOW), []),
        (
            StatusFilter(frozenset({State.FAILED}), frozenset({"other"}), "m1", "a@example.com", NOW, NOW + 9 * SECOND),
            [3],
        ),
    ],
)
@pytest.mark.parametrize("limit", [1, 2, 10])
async def test_filters(place: Place, wanted: StatusFilter, expected: list[int], limit: int) -> None:
    """What is asked for must all match, of a set any value may, and of times the first counts and the last does not."""
    found = await listed(await story(place), wanted, limit)
    assert [(status.create_time - NOW) // SECOND + 1 for status in found] == expected


async def test_the_time_is_that_of_the_last_event(place: Place) -> None:
    """An event that moves nothing updates a recipient too."""
    store = await story(place)
    place.clock.now = NOW + 100 * SECOND
    await append(store, event(EventType.ACCEPTED, message_id="m1"))
    assert ids(await listed(store, StatusFilter(updated_after=NOW + 50 * SECOND))) == ["m1"]


async def test_a_filter_that_matches_little_is_answered_in_parts(store: Store) -> None:
    """Where what matches lies far back, pages are short or empty, and the list still ends with all of it."""
    await append(store, event(EventType.BOUNCED, message_id="first"))
    for start in range(0, 12_000, 4_000):
        await append(store, *(event(message_id="campaign", recipient=str(start + number)) for number in range(4_000)))
    await append(store, event(EventType.BOUNCED, message_id="last"))
    failed = StatusFilter(states=frozenset({State.FAILED}))
    page = await store.list_recipients(failed, None, 10)
    assert [stored.status.message_id for stored in page.statuses] == ["last"]
    assert page.next is not None
    assert ids(await listed(store, failed)) == ["last", "first"]
    assert await listed(store, StatusFilter(message_id="campaign", states=frozenset({State.FAILED}))) == []
    assert len(await listed(store, StatusFilter(message_id="campaign"), 1_000)) == 12_000


@pytest.mark.parametrize("states", [{State.FAILED}, {State.QUEUED, State.SUPPRESSED}, {State.SENT, State.DELIVERED}])
async def test_few_among_many_who_got_their_mail(store: Store, states: set[State]) -> None:
    """Each recipient is in the lists of the state it is in now, though it was in others before."""
    kinds = (EventType.ACCEPTED, EventType.SENT, EventType.BOUNCED, EventType.ERRORED, EventType.SUPPRESSED)
    for number in range(300):
        await append(store, *(event(kind, message_id=f"m{number}") for kind in kinds[: 1 + number % 6 % 5]))
        if number % 3:
            await append(store, event(EventType.DELIVERED, message_id=f"m{number}"))
    expected = [status for status in await listed(store) if status.state in states]
    assert await listed(store, StatusFilter(states=frozenset(states)), limit=7) == expected
    assert 0 < len(expected) < 300


@pytest.mark.parametrize("limit", [30, 1_000])
async def test_a_message_of_many(store: Store, limit: int) -> None:
    """Its recipients are listed alike where they lie side by side, far apart, and before thousands of others."""
    others = [event(message_id=f"m{number}") for number in range(9_000)]
    campaign = [event(message_id="campaign", recipient=str(number)) for number in range(4_000)]
    told = [*others[:700], *campaign[:2_500]]
    for number in range(500):
        told += [*campaign[2_500 + 3 * number :][:3], *others[700 + 10 * number :][: number % 30 // 3]]
    told += others[6_000:]
    told += [event(EventType.BOUNCED, message_id="campaign", recipient=str(number)) for number in range(0, 4_000, 9)]
    for start in range(0, len(told), 2_000):
        await append(store, *told[start : start + 2_000])
    found = await listed(store, StatusFilter(message_id="campaign"), limit)
    assert [int(status.recipient) for status in found] == [*range(3_999, -1, -1)]
    failed = await listed(store, StatusFilter(message_id="campaign", states=frozenset({State.FAILED})), limit)
    assert [int(status.recipient) for status in failed] == [*range(3_996, -1, -9)]
