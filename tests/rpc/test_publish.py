"""Publishing events over a real channel."""

import asyncio
import itertools

import pytest

from msgstate.v1 import event_pb2, event_service_pb2, log_pb2
from msgstate.v1 import message_status_service_pb2 as pb
from tests.rpc.running import Client
from tests.rpc.samples import BOUNCED, CLICKED, DELIVERED, OPENED, SENT, event

pytestmark = pytest.mark.asyncio(loop_scope="session")

TAKEN = event_service_pb2.DISPOSITION_ACCEPTED
DUPLICATE = event_service_pb2.DISPOSITION_DUPLICATE
REFUSED = event_service_pb2.DISPOSITION_REFUSED


def outcomes(response: event_service_pb2.PublishEventsResponse, start: int = 0) -> list[tuple[int, int]]:
    """What became of each event, and where it stands after position `start`."""
    return [(result.disposition, result.position - start if result.position else 0) for result in response.results]


async def head(client: Client) -> int:
    """Where the log ends."""
    (response,) = await client.watched(pb.WatchTransitionsRequest(), bool)
    return response.head_position


async def test_events_get_dense_positions_in_their_order(shared: Client) -> None:
    """The log counts from 1, over batches and recipients alike."""
    start = await head(shared)
    first = await shared.publish(*(event(f"t1-m{number}") for number in range(3)))
    second = await shared.publish(event("t1-m0", SENT), event("t1-m9"))

    assert outcomes(first, start) == [(TAKEN, 1), (TAKEN, 2), (TAKEN, 3)]
    assert outcomes(second, start) == [(TAKEN, 4), (TAKEN, 5)]


async def test_a_duplicate_names_the_event_that_stands(shared: Client) -> None:
    """The same event again, in the same batch or a later one, takes no position and names the first's."""
    start = await head(shared)
    once = await shared.publish(event("t2-m1"), event("t2-m1"), event("t2-m1", SENT))
    again = await shared.publish(event("t2-m1", SENT), event("t2-m1"), event("t2-m1", DELIVERED))

    assert outcomes(once, start) == [(TAKEN, 1), (DUPLICATE, 1), (TAKEN, 2)]
    assert outcomes(again, start) == [(DUPLICATE, 2), (DUPLICATE, 1), (TAKEN, 3)]


async def test_of_one_event_id_with_other_content_the_first_stands(shared: Client) -> None:
    """An event id counts once per provider's word and type, whatever else the event says."""
    start = await head(shared)
    first, other, other_type, other_word = (event("t3-m1", OPENED) for _ in range(4))
    for each in (first, other, other_type, other_word):
        each.event_id = "t3-e1"
    other.detail = "changed"
    other_type.type = CLICKED
    other_word.provider_type = "seen"

    response = await shared.publish(first, other, other_type, other_word)

    assert outcomes(response, start) == [(TAKEN, 1), (DUPLICATE, 1), (TAKEN, 2), (TAKEN, 3)]


async def test_ids_and_addresses_are_the_same_in_every_spelling(shared: Client) -> None:
    """Angle brackets, a name before the address and the case of its domain make no other event."""
    start = await head(shared)
    spelled = [("t4-m1", "To@example.com"), ("<t4-m1>", " To@EXAMPLE.com "), ("t4-m1", "Someone <To@example.COM>")]

    response = await shared.publish(*(event(message_id, recipient=to) for message_id, to in spelled))

    assert outcomes(response, start) == [(TAKEN, 1), (DUPLICATE, 1), (DUPLICATE, 1)]


async def test_a_bad_event_is_refused_by_itself(shared: Client) -> None:
    """Good events around it stand, and its violations have paths from the request."""
    start = await head(shared)
    response = await shared.publish(event("t5-m1"), event("", recipient=""), event("t5-m1", BOUNCED))

    assert outcomes(response, start) == [(TAKEN, 1), (REFUSED, 0), (TAKEN, 2)]
    assert [violation.field for violation in response.results[1].violations] == [
        "events[1].message_id",
        "events[1].recipient",
    ]
    assert all(violation.description for violation in response.results[1].violations)


async def test_a_batch_without_a_good_event_is_answered(shared: Client) -> None:
    """An empty batch has no results, one of bad events only refusals, and neither moves the log."""
    start = await head(shared)
    empty = await shared.publish()
    bad = await shared.publish(event(""), event(recipient=""))
    good = await shared.publish(event("t6-m1"))

    assert (outcomes(empty, start), outcomes(bad, start)) == ([], [(REFUSED, 0)] * 2)
    assert empty.resume_token == bad.resume_token != ""
    assert outcomes(good, start) == [(TAKEN, 1)]


async def test_a_batch_of_a_thousand_events_is_taken(shared: Client) -> None:
    """The limit itself is good."""
    start = await head(shared)
    response = await shared.publish(*(event(f"t7-m{number}") for number in range(1_000)))

    assert outcomes(response, start) == [(TAKEN, position) for position in range(1, 1_001)]


async def test_concurrent_batches_share_one_dense_log(shared: Client) -> None:
    """However many publish at once, every event has one position and each batch keeps its own order."""
    start = await head(shared)
    responses = await asyncio.gather(
        *(shared.publish(*(event(f"t8-m{batch}-{number}") for number in range(20))) for batch in range(20))
    )

    positions = [[position for _, position in outcomes(response, start)] for response in responses]
    assert all(own == sorted(own) for own in positions)
    assert sorted(itertools.chain(*positions)) == list(range(1, 401))


async def test_the_same_events_published_at_once_count_once(shared: Client) -> None:
    """Of many clients that race with one event one is told ACCEPTED, the others its position."""
    start = await head(shared)
    responses = await asyncio.gather(*(shared.publish(event("t9-m1"), event("t9-m1", SENT)) for _ in range(10)))

    results = sorted(outcome for response in responses for outcome in outcomes(response, start))
    assert results == [(TAKEN, 1), (TAKEN, 2)] + [(DUPLICATE, 1)] * 9 + [(DUPLICATE, 2)] * 9


async def test_a_watch_from_the_token_sees_what_came_after(shared: Client) -> None:
    """The token of an answer stands right behind what was then durable."""
    start = await head(shared)
    published = await shared.publish(event("t10-m1"), event("t10-m2"))
    await shared.publish(event("t10-m1", SENT))

    responses = await shared.watched(
        pb.WatchTransitionsRequest(resume_token=published.resume_token),
        lambda seen: any(response.transitions for response in seen),
    )

    assert [transition.position - start for response in responses for transition in response.transitions] == [3]


async def test_a_published_event_comes_out_as_it_went_in(shared: Client) -> None:
    """Every field is carried by the transition, with the time of receipt beside it."""
    given = event("<t11-m1>", OPENED, at=1_700_000_000)
    given.occurred_time.nanos = 123_456_789
    given.provider_type, given.event_id, given.detail = "seen", "t11-e1", "Zoë öffnete"
    given.reason, given.smtp_code, given.enhanced_code = event_pb2.REASON_POLICY, 250, "2.0.0"
    given.url, given.user_agent, given.ip_address, given.automated = "https://x/?a=1", "Mail/1", "::1", True
    given.aliases.extend(["b", "<a>", "b"])
    given.metadata.update({"order": "7", "empty": ""})

    before = await shared.publish()
    await shared.publish(given)
    responses = await shared.watched(
        pb.WatchTransitionsRequest(resume_token=before.resume_token),
        lambda seen: any(response.transitions for response in seen),
    )
    transition: log_pb2.Transition = responses[-1].transitions[0]

    given.message_id = "t11-m1"
    given.occurred_time.nanos = 123_456_000
    del given.aliases[:]
    given.aliases.extend(["a", "b"])
    given.received_time.CopyFrom(transition.event.received_time)
    assert transition.event == given
    assert 1_700_000_000 < given.received_time.seconds <= transition.commit_time.seconds
    assert (transition.provider, transition.message_id, transition.recipient) == ("shop", "t11-m1", "to@example.com")
