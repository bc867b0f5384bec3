"""What a watch of events tells beyond what one of transitions does: types, effects, and events that moved nothing."""

import grpc
import pytest

from msgstate.v1 import log_pb2
from msgstate.v1 import message_status_service_pb2 as pb
from tests.rpc.running import DEADLINE, Client
from tests.rpc.samples import ACCEPTED, BOUNCED, COMPLAINED, DELIVERED, OPENED, SENT, UNSUBSCRIBED, event, told
from tests.rpc.watching import watched

pytestmark = pytest.mark.asyncio(loop_scope="session")

STORY = (SENT, ACCEPTED, OPENED, DELIVERED, COMPLAINED, UNSUBSCRIBED, OPENED, BOUNCED)
EFFECTS = ("MOVED", "WEAKER", "MOVED", "WEAKER", "WEAKER", "WEAKER", "CONFIRMED", "MOVED")


async def entries(client: Client, start: str, **wanted: object) -> list[log_pb2.LogEntry]:
    """What a watch from a token on tells of what is there."""
    request = pb.WatchEventsRequest(resume_token=start, filter=pb.EventFilter(**wanted))  # type: ignore[arg-type]
    responses = await watched(client, request, lambda seen: seen[-1].phase == pb.WATCH_PHASE_LIVE)
    found: list[log_pb2.LogEntry] = []
    for response in responses:
        assert isinstance(response, pb.WatchEventsResponse)
        found += response.entries
    return found


async def told_story(client: Client, message_id: str) -> str:
    """Publish the story about a message; gives the token from before it."""
    start = (await client.publish()).resume_token
    events = [event(message_id, step, detail=str(number)) for number, step in enumerate(STORY)]
    events[0].metadata["campaign"] = "spring"
    await client.publish(*events)
    return start


async def test_every_event_comes_with_its_effect(shared: Client) -> None:
    """An entry has its event whole, what it did, and the recipient's version after it."""
    found = await entries(shared, await told_story(shared, "whole"))

    assert [entry.event.type for entry in found] == list(STORY)
    assert [entry.event.detail for entry in found] == [str(number) for number in range(len(STORY))]
    assert dict(found[0].event.metadata) == {"campaign": "spring"}
    assert [log_pb2.Effect.Name(entry.effect) for entry in found] == [f"EFFECT_{effect}" for effect in EFFECTS]
    assert [entry.version for entry in found] == [1, 1, 2, 2, 2, 2, 2, 3]
    assert [entry.position for entry in found] == list(range(found[0].position, found[0].position + len(STORY)))
    assert all(entry.commit_time.ToMicroseconds() > 0 for entry in found)


async def test_types_are_asked_for(shared: Client) -> None:
    """Who must stop sending follows complaints and unsubscriptions, which move nothing, beside final failures."""
    start = await told_story(shared, "types")
    assert [entry.event.type for entry in await entries(shared, start, types=[COMPLAINED, UNSUBSCRIBED, BOUNCED])] == [
        COMPLAINED,
        UNSUBSCRIBED,
        BOUNCED,
    ]
    assert [entry.event.detail for entry in await entries(shared, start, types=[OPENED], to_states=[4])] == ["2", "6"]
    assert await entries(shared, start, types=[OPENED], to_states=[5]) == []
    assert await entries(shared, start, types=[OPENED], message_ids=["another"]) == []


@pytest.mark.parametrize(
    ("types", "expected"),
    [([0], ["filter.types[0]"]), ([1, 18], ["filter.types[1]"]), ([1] * 1_001, ["filter.types"])],
)
async def test_a_malformed_type_is_refused(shared: Client, types: list[int], expected: list[str]) -> None:
    """A type that is none, or that this server does not know, is named; so are too many."""
    wanted = pb.EventFilter(types=types)  # type: ignore[arg-type]
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await shared.statuses.WatchEvents(pb.WatchEventsRequest(filter=wanted), timeout=DEADLINE).read()

    assert told(raised.value) == (
        grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", "msgstate", {}, expected, None
    )  # fmt: skip
