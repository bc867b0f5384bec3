"""Publishing batches of events over one stream."""

import asyncio
import random
from collections.abc import AsyncIterable

import grpc
import pytest

from msgstate.v1 import event_pb2
from msgstate.v1 import event_service_pb2 as pb
from msgstate.v1 import message_status_service_pb2 as statuses
from tests.rpc.running import DEADLINE, Client
from tests.rpc.samples import DELIVERED, OPENED, SENT, event, told
from tests.rpc.streaming import Ended, ended, requests, stream

pytestmark = pytest.mark.asyncio(loop_scope="session")

STREAM = "/msgstate.v1.EventService/StreamEvents"
RESPONSE_BYTES = 1_048_576


def batches(name: str, count: int, size: int = 10) -> list[list[event_pb2.Event]]:
    """Batches of different events."""
    return [[event(f"{name}-{batch}-{number}") for number in range(size)] for batch in range(count)]


async def test_every_batch_is_acknowledged_in_order(shared: Client) -> None:
    """Each batch has one acknowledgement with its id and counts, and the stream ends with OK after the last."""
    result = await stream(shared, requests(*batches("t1", 30)))

    assert result.error is None
    assert result.batch_ids == list(range(1, 31))
    assert result.counts == [(10, 0, 0)] * 30


async def test_batches_of_a_stream_stay_in_order_in_the_log(shared: Client) -> None:
    """Batches that are in flight together get positions in the order in which they were sent."""
    before = (await shared.publish()).resume_token
    given = batches("t2", 40, 25)

    await stream(shared, requests(*given))
    responses = await shared.watched(
        statuses.WatchTransitionsRequest(resume_token=before),
        lambda seen: sum(len(response.transitions) for response in seen) == 1_000,
    )

    logged = [transition.message_id for response in responses for transition in response.transitions]
    assert logged == [each.message_id for batch in given for each in batch]


async def test_batch_ids_are_the_callers_choice(shared: Client) -> None:
    """Any number names a batch, the same one twice too."""
    ids = [7, 7, 0, -1, 2**63 - 1]
    sent = [pb.StreamEventsRequest(batch_id=own, events=[event(f"t3-{index}")]) for index, own in enumerate(ids)]

    assert (await stream(shared, sent)).batch_ids == ids


async def test_everything_sent_again_is_a_duplicate(shared: Client) -> None:
    """A stream repeated from its start changes nothing, and says so batch by batch."""
    given = requests(*batches("t4", 5), [event("t4-0-0"), event("t4-0-0", SENT), event("t4-0-0", SENT)])

    first, again = await stream(shared, given), await stream(shared, given)

    assert first.counts == [(10, 0, 0)] * 5 + [(1, 2, 0)]
    assert again.counts == [(0, 10, 0)] * 5 + [(0, 3, 0)]


async def test_refused_events_are_named_by_index(shared: Client) -> None:
    """The good ones of a batch stand; each bad one has its index and violations with paths from the request."""
    result = await stream(shared, requests([event("t5"), event("", recipient=""), event("t5", SENT), event("")]))

    assert result.counts == [(2, 0, 2)]
    refused = result.acknowledged[0].refused
    assert [each.index for each in refused] == [1, 3]
    assert [[violation.field for violation in each.violations] for each in refused] == [
        ["events[1].message_id", "events[1].recipient"],
        ["events[3].message_id"],
    ]


async def test_empty_batches_are_acknowledged_in_their_place(shared: Client) -> None:
    """Where nothing is to be committed, the answer still waits its turn."""
    result = await stream(shared, requests([], [event("t6")], [], [event("")], [event("t6", SENT)]))

    assert result.batch_ids == [1, 2, 3, 4, 5]
    assert result.counts == [(0, 0, 0), (1, 0, 0), (0, 0, 0), (0, 0, 1), (1, 0, 0)]


async def test_a_stream_without_a_batch_ends_well(shared: Client) -> None:
    """Half-closed at once, it ends with OK."""
    assert await stream(shared, []) == Ended([], None)


async def test_batches_are_acknowledged_while_the_stream_stays_open(shared: Client) -> None:
    """A client that waits for each answer before it sends the next is served."""
    call = shared.events.StreamEvents(timeout=DEADLINE)
    for number in range(5):
        await call.write(pb.StreamEventsRequest(batch_id=number, events=[event(f"t7-{number}")]))
        response = await call.read()
        assert isinstance(response, pb.StreamEventsResponse)
        assert (response.batch_id, response.accepted) == (number, 1)
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF
    assert await call.code() is grpc.StatusCode.OK


async def test_a_watch_from_an_acknowledgement_sees_what_came_after(shared: Client) -> None:
    """The token of an acknowledgement stands behind its batch, which is then durable."""
    call = shared.events.StreamEvents(timeout=DEADLINE)
    await call.write(pb.StreamEventsRequest(batch_id=1, events=[event("t8")]))
    first = await call.read()
    assert isinstance(first, pb.StreamEventsResponse)
    await call.write(pb.StreamEventsRequest(batch_id=2, events=[event("t8", DELIVERED)]))
    await call.read()
    await call.done_writing()

    responses = await shared.watched(
        statuses.WatchTransitionsRequest(resume_token=first.resume_token),
        lambda seen: any(response.transitions for response in seen),
    )

    (transition,) = [transition for response in responses for transition in response.transitions]
    assert (transition.message_id, transition.event.type) == ("t8", DELIVERED)


async def test_streams_beside_each_other(shared: Client) -> None:
    """Two streams and single batches at once are each answered in full, and each event counts once."""
    mine, other = batches("t9-a", 30), batches("t9-b", 30)
    both = [event("t9-both"), event("t9-both", OPENED)]

    single = [asyncio.create_task(shared.publish(*both)) for _ in range(10)]
    one, two = await asyncio.gather(stream(shared, requests(*mine, both)), stream(shared, requests(both, *other)))

    assert one.batch_ids == two.batch_ids == list(range(1, 32))
    accepted = one.counts[-1][0] + two.counts[0][0]
    results = [result for publishing in single for result in (await publishing).results]
    accepted += sum(result.disposition == pb.DISPOSITION_ACCEPTED for result in results)
    assert accepted == 2
    assert one.counts[:-1] == two.counts[1:] == [(10, 0, 0)] * 30


TOO_MANY = [event(f"many-{number}") for number in range(1_001)]
TOO_LARGE = [event(f"large-{number}", detail="d" * 2_048) for number in range(520)]


@pytest.mark.parametrize("batch", [TOO_MANY, TOO_LARGE], ids=["events", "bytes"])
async def test_a_batch_over_the_limits_ends_the_stream(shared: Client, batch: list[event_pb2.Event]) -> None:
    """Every batch before it is acknowledged, then the error comes; what follows it is not taken."""
    name = f"t10-{len(batch)}"
    result = await stream(shared, requests(*batches(name, 20), batch, [event(f"{name}-after")]))

    assert result.error is not None
    assert told(result.error) == (grpc.StatusCode.INVALID_ARGUMENT, "BATCH_TOO_LARGE", "msgstate", {}, [], None)
    assert result.counts == [(10, 0, 0)] * 20
    (after,) = (await shared.publish(event(f"{name}-after"))).results
    assert after.disposition == pb.DISPOSITION_ACCEPTED


async def test_a_batch_at_the_limit_is_taken(shared: Client) -> None:
    """1,000 events are good."""
    assert (await stream(shared, requests(*batches("t11", 3, 1_000)))).counts == [(1_000, 0, 0)] * 3


def raw(client: Client, bodies: list[bytes]) -> AsyncIterable[pb.StreamEventsResponse]:
    """A stream of bytes that need not be batches."""
    method = client.channel.stream_stream(STREAM, bytes, pb.StreamEventsResponse.FromString)
    return method(iter(bodies), timeout=DEADLINE)


async def test_a_message_that_cannot_be_decoded_ends_the_stream(shared: Client) -> None:
    """Every batch before it is acknowledged, then the stream ends with INVALID_ARGUMENT."""
    good = [request.SerializeToString() for request in requests(*batches("t12", 20))]

    result = await ended(raw(shared, [*good, good[0][:-2], good[0]]))

    assert result.error is not None
    assert told(result.error)[:2] == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert told(result.error).fields == ["request"]
    assert result.counts == [(10, 0, 0)] * 20


async def test_random_bytes_never_fail_the_service(shared: Client) -> None:
    """Whatever a stream brings, it is taken as a batch or refused as undecodable."""
    chance = random.Random(7)  # noqa: S311  (a fixed seed)
    bodies = [chance.randbytes(length) for length in (1, 2, 3, 5, 8, 100, 10_000) for _ in range(4)]
    for body in bodies:
        result = await ended(raw(shared, [body]))
        assert result.error is None or told(result.error).code is grpc.StatusCode.INVALID_ARGUMENT


def broken(number: int) -> event_pb2.Event:
    """An event that breaks more than 20 rules, with the longest texts that are shown."""
    bad = event("", recipient="", provider="\U000e0001" * 100, event_type=event_pb2.EVENT_TYPE_UNSPECIFIED)
    bad.aliases.extend([""] * 30)
    bad.smtp_code = 1_000 + number
    return bad


async def test_an_answer_stays_under_its_limit(shared: Client) -> None:
    """Where every event of a batch breaks many rules, each is told its first violations, as many as fit."""
    bad = [broken(number) for number in range(1_000)]

    result = await stream(shared, requests(bad, bad[:10]))
    published = await shared.publish(*bad)

    (many, few) = result.acknowledged
    assert many.ByteSize() < RESPONSE_BYTES
    assert published.ByteSize() < RESPONSE_BYTES
    assert [each.index for each in many.refused] == list(range(1_000))
    told_of = [each.violations for each in many.refused] + [each.violations for each in published.results]
    assert all(violations[0].field.endswith(".provider") for violations in told_of)
    assert {len(each.violations) for each in few.refused} == {20}
