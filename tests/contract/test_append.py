"""What `append` promises: outcomes in order, each key once, dense positions, commit times that never fall."""

import asyncio
from itertools import pairwise, product

from msgspec.structs import replace

from msgstate_server.domain.decision import Disposition, Outcome
from msgstate_server.domain.events import EventType, Reason
from msgstate_server.domain.states import Evidence, State
from msgstate_server.store.protocol import MessageKey, Store
from tests.builders import NOW, SECOND, TYPES, Clock, append, event, find_by_alias, numbered, positions, submission
from tests.contract.conftest import Place

ACCEPTED, DUPLICATE = Disposition.ACCEPTED, Disposition.DUPLICATE
EXTREMES = (-(2**63), -1, 0, 2**63 - 1)


async def test_new_events_are_accepted_from_position_one(store: Store) -> None:
    """A new log's events get the positions 1, 2, 3 in the order in which they are given."""
    outcomes = await append(store, *numbered(3))
    assert outcomes == [Outcome(ACCEPTED, 1), Outcome(ACCEPTED, 2), Outcome(ACCEPTED, 3)]


async def test_outcomes_are_per_submission_in_order(store: Store) -> None:
    """Each submission of a transaction gets the outcomes of its own candidates, and one without any gets none."""
    one, two, three = numbered(3)
    outcomes = await store.append([submission(two, one), submission(), submission(one, three)])
    assert outcomes == [
        [Outcome(ACCEPTED, 1), Outcome(ACCEPTED, 2)],
        [],
        [Outcome(DUPLICATE, 2), Outcome(ACCEPTED, 3)],
    ]


async def test_duplicate_within_one_submission(store: Store) -> None:
    """The same event twice in one request counts once, and the second is told where the first stands."""
    assert await append(store, event(), event()) == [Outcome(ACCEPTED, 1), Outcome(DUPLICATE, 1)]


async def test_duplicate_of_a_later_append(store: Store) -> None:
    """The same event in a later transaction is told where the first stands, and changes nothing."""
    await append(store, *numbered(2), event(EventType.OPENED))
    before = await store.read_recipients("m", "", "", 10), store.head
    assert await append(store, event(EventType.OPENED, received=NOW + SECOND)) == [Outcome(DUPLICATE, 3)]
    assert (await store.read_recipients("m", "", "", 10), store.head) == before


async def test_duplicate_after_reopening(place: Place) -> None:
    """What is in the log is known again by the next server on it."""
    await append(place.store, *numbered(2), event())
    store = await place.reopen()
    assert await append(store, event(), event(EventType.OPENED)) == [Outcome(DUPLICATE, 3), Outcome(ACCEPTED, 4)]


async def test_first_of_two_contents_with_one_key_stands(store: Store) -> None:
    """Of two events with the same id, word and type but different contents, the first stands."""
    await append(store, event(event_id="1", detail="first"))
    assert await append(store, event(event_id="1", detail="second")) == [Outcome(DUPLICATE, 1)]
    (entry,) = await store.read_log(0, 10)
    assert entry.event.attributes.detail == "first"


async def test_one_event_id_of_two_recipients_is_two_events(store: Store) -> None:
    """A key counts within its recipient alone."""
    outcomes = await append(store, event(event_id="1"), event(event_id="1", recipient="b@example.com"))
    assert outcomes == [Outcome(ACCEPTED, 1), Outcome(ACCEPTED, 2)]


async def test_nothing_to_append(store: Store) -> None:
    """Without events the log stays as it is, and every submission is answered."""
    before = store.head
    for submissions in ([], [submission()], [submission(), submission()]):
        assert await store.append(submissions) == [[] for _ in submissions]
    assert store.head == before


async def test_many_events_in_one_append(store: Store) -> None:
    """5,000 events of 700 recipients, some doubled, in one transaction: dense positions and every recipient right."""
    events = numbered(4_900, messages=700)
    outcomes = await append(store, *events, *events[:100])
    assert positions(outcomes) == [*range(1, 4_901), *range(1, 101)]
    assert [outcome.disposition for outcome in outcomes] == [ACCEPTED] * 4_900 + [DUPLICATE] * 100
    assert store.head.position == 4_900
    (status,) = await store.read_recipients("m699", "", "", 10)
    own = [entry for entry in await store.read_log(0, 10_000) if entry.event.message_id == "m699"]
    assert (len(own), status.evidence) == (7, max(entry.after for entry in own))


async def test_many_recipients_of_one_message(store: Store) -> None:
    """Every recipient of a message has a state machine of its own."""
    addresses = [f"{number}@example.com" for number in range(600)]
    await append(store, *(event(EventType.SENT, recipient=address) for address in addresses))
    await append(store, event(EventType.BOUNCED, recipient=addresses[1]), event(EventType.READ, recipient=addresses[2]))
    found = await store.read_recipients("m", "acme", "", 1_000)
    assert [status.recipient for status in found] == addresses
    states = [status.state for status in found]
    assert states == [State.SENT, State.FAILED, State.ENGAGED] + [State.SENT] * 597


async def test_one_message_id_at_two_providers(store: Store) -> None:
    """The same id at another provider is another message."""
    await append(store, event(EventType.SENT), event(EventType.BOUNCED, provider="other"))
    found = await store.read_recipients("m", "", "", 10)
    assert [(status.provider, status.state) for status in found] == [("acme", State.SENT), ("other", State.FAILED)]


async def test_event_comes_back_as_it_went_in(store: Store) -> None:
    """Every field of an event, in any script and with every quote, is in the log as it was given."""
    text = "Ünïcödé 日本語 \U0001f600 ' \" \\ \x01 \u2028 %_ [1]"
    given = event(
        EventType.CLICKED,
        message_id=text,
        recipient=text,
        occurred=NOW - 1,
        provider_type=text,
        event_id=text,
        reason=Reason.POLICY,
        detail=text,
        smtp_code=550,
        enhanced_code="5.1.1",
        url=text,
        user_agent=text,
        ip_address="::1",
        automated=True,
        aliases=["a", text],
        metadata={text: text, "empty": ""},
    )
    await append(store, given)
    (entry,) = await store.read_log(0, 10)
    assert entry.event == given
    (status,) = await store.read_recipients(text, "", text, 10)
    assert status.aliases == ["a", text]
    assert await find_by_alias(store, text) == [MessageKey("acme", text)]


async def test_times_of_64_bits(store: Store) -> None:
    """Times at both ends of 64 bits, and none at all, are kept to the microsecond."""
    times = list(product((None, *EXTREMES), EXTREMES))
    events = [
        event(EventType.BOUNCED, message_id=f"{occurred} {received}", occurred=occurred, received=received)
        for occurred, received in times
    ]
    await append(store, *events)
    entries = await store.read_log(0, 100)
    assert [(entry.event.occurred_time, entry.event.received_time) for entry in entries] == times
    for occurred, received in times:
        (status,) = await store.read_recipients(f"{occurred} {received}", "", "", 10)
        assert status.failed_time == (occurred if occurred == received == 2**63 - 1 else received)


async def test_log_rows_say_what_each_event_did(place: Place) -> None:
    """A row has its recipient's evidence before and after, its version and when it was committed."""
    store, clock = place.store, place.clock
    types = [EventType.SENT, EventType.ACCEPTED, EventType.BOUNCED]
    for event_type in types:
        clock.now += SECOND
        await append(store, event(event_type))
    entries = await store.read_log(0, 10)
    assert [(entry.before, entry.after, entry.version) for entry in entries] == [
        (Evidence.NONE, Evidence.SENT, 1),
        (Evidence.SENT, Evidence.SENT, 1),
        (Evidence.SENT, Evidence.FAILED, 2),
    ]
    assert [entry.commit_time for entry in entries] == [NOW + SECOND, NOW + 2 * SECOND, NOW + 3 * SECOND]
    (status,) = await store.read_recipients("m", "", "", 10)
    assert (status.version, status.position) == (2, 3)
    assert (status.create_time, status.update_time) == (NOW + SECOND, NOW + 3 * SECOND)


async def test_status_is_the_same_however_it_was_batched(place: Place) -> None:
    """One event a transaction or all in one: a recipient's facts are the same."""
    for event_type in TYPES:
        await append(place.store, event(event_type, message_id="m", event_id="1", aliases=[event_type.name]))
    events = [event(event_type, message_id="n", event_id="1", aliases=[event_type.name]) for event_type in TYPES]
    await append(place.store, *events)
    (one_by_one,) = await place.store.read_recipients("m", "", "", 1)
    (at_once,) = await place.store.read_recipients("n", "", "", 1)
    assert replace(at_once, message_id="m", position=one_by_one.position) == one_by_one


async def test_commit_times_never_fall(place: Place) -> None:
    """Where the clock goes back, within a run or across one, events are committed at the last time again."""
    clock = place.clock
    times = [NOW, NOW + 5 * SECOND, NOW - 9 * SECOND, NOW - 99 * SECOND, NOW + 7 * SECOND]
    for number, now in enumerate(times):
        clock.now = now
        await append(place.store, *numbered(2, first=2 * number))
        await place.reopen()
    committed = [entry.commit_time for entry in await place.store.read_log(0, 100)]
    assert all(earlier <= later for earlier, later in pairwise(committed))
    assert committed[2::2] == [NOW + 5 * SECOND, NOW + 5 * SECOND, NOW + 5 * SECOND, NOW + 7 * SECOND]
    assert place.store.head.commit_time == NOW + 7 * SECOND


async def test_concurrent_appends(store: Store) -> None:
    """Many tasks append at once, some of them the same events: all are there, once, at dense positions."""
    events = numbered(300, messages=40)
    batches = [events[start : start + 7] for start in range(0, 300, 5)]
    given = [each for batch in batches for each in batch]
    outcomes = [
        outcome
        for answered in await asyncio.gather(*(append(store, *batch) for batch in batches))
        for outcome in answered
    ]
    accepted = sorted(outcome.position for outcome in outcomes if outcome.disposition is ACCEPTED)
    assert accepted == list(range(1, 301))
    entries = await store.read_log(0, 1_000)
    assert positions(entries) == accepted
    by_position = {entry.position: entry.event for entry in entries}
    assert [by_position[outcome.position] for outcome in outcomes] == given


async def test_reader_sees_what_append_answered(store: Store) -> None:
    """When `append` returns, every read sees its events."""
    for number in range(30):
        await append(store, event(message_id=f"m{number}", aliases=[f"a{number}"]))
        assert await store.find_messages(f"m{number}", "", 10) == [MessageKey("acme", f"m{number}")]
        assert await find_by_alias(store, f"a{number}") == [MessageKey("acme", f"m{number}")]
        assert len(await store.read_log(number, 10)) == 1
        assert store.head.position == number + 1


async def test_clock_is_read_once_a_transaction(clock: Clock, store: Store) -> None:
    """All events of a transaction have one commit time."""
    clock.now += SECOND
    await store.append([submission(*numbered(3)), submission(*numbered(3, first=3))])
    assert {entry.commit_time for entry in await store.read_log(0, 10)} == {NOW + SECOND}
