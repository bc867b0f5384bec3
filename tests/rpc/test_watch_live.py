"""Watching while things happen: many watchers, slow ones, silent ones, and what is left when they go."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from msgstate.v1 import event_pb2, status_pb2
from msgstate.v1 import message_status_service_pb2 as pb
from msgstate_server.app import Service, Tuning
from tests.rpc.running import Client, connected, eventually, serving
from tests.rpc.samples import ACCEPTED, BOUNCED, DELIVERED, ERRORED, OPENED, SENT, event, large_event
from tests.rpc.watching import Kind, Request, Response, following, items, names, positions, told_in, watch, watched

pytestmark = pytest.mark.asyncio(loop_scope="session")

EARLIEST = pb.START_POINT_EARLIEST
LIVE = pb.WATCH_PHASE_LIVE
RESPONSE_BYTES = 49_152
"""Of entries in one response; its other fields take little more."""


def watchers(service: Service) -> int:
    """How many watches the service holds open."""
    return service._watches.count  # noqa: SLF001  (what is left of a watch shows nowhere else)


async def test_a_transition_carries_its_own_event_and_failure(shared: Client) -> None:
    """A failure is told in its own event's words; FAILED to FAILED says that it became final."""
    own = [event("own", ERRORED, detail="broke"), event("own", BOUNCED, detail="refused"), event("own", OPENED)]
    own[0].reason, own[0].smtp_code = event_pb2.REASON_PROVIDER_ERROR, 451
    own[1].reason, own[1].enhanced_code = event_pb2.REASON_INVALID_ADDRESS, "5.1.1"
    start = (await shared.publish()).resume_token
    await shared.publish(event("own", SENT), *own)

    responses = await shared.watched(
        pb.WatchTransitionsRequest(resume_token=start), lambda seen: seen[-1].phase == LIVE
    )
    sent, errored, bounced = [transition for response in responses for transition in response.transitions]

    assert not sent.HasField("failure")
    assert errored.failure == status_pb2.Failure(
        reason=event_pb2.REASON_PROVIDER_ERROR, final=False, smtp_code=451, detail="broke"
    )
    assert bounced.failure == status_pb2.Failure(
        reason=event_pb2.REASON_INVALID_ADDRESS, final=True, enhanced_code="5.1.1", detail="refused"
    )
    assert (bounced.from_state, bounced.to_state) == (status_pb2.STATE_FAILED, status_pb2.STATE_FAILED)
    assert [each.version for each in (sent, errored, bounced)] == [1, 2, 3]
    assert [each.event.type for each in (sent, errored, bounced)] == [SENT, ERRORED, BOUNCED]


async def test_a_herd_of_watchers_is_served(service: Service, client: Client) -> None:
    """As many as come back at once where a server starts anew are all answered, none cancelled without a word."""
    await client.publish(event("m"))
    async with AsyncExitStack() as opening:
        clients = [await opening.enter_async_context(connected(service.grpc_address)) for _ in range(20)]
        calls = [
            each.statuses.WatchTransitions(pb.WatchTransitionsRequest(start_point=EARLIEST), timeout=60)
            for _ in range(125)
            for each in clients
        ]
        first = await asyncio.gather(*(call.read() for call in calls))
        for call in calls:
            call.cancel()

    assert len(first) == 2_500
    assert all(isinstance(response, pb.WatchTransitionsResponse) for response in first)


async def test_a_live_watcher_is_told_at_once(shared: Client, kind: Kind) -> None:
    """What is published while it waits reaches it, in one order with what it read before."""
    call = watch(shared, kind.request())
    assert (await following(call)).phase == LIVE
    for step in (SENT, DELIVERED, OPENED):
        published = await shared.publish(event(f"told-{kind.moved_alone}", step))
        response = await following(call)
        assert positions([response]) == [published.results[0].position]
        assert response.phase == LIVE
    call.cancel()


async def test_a_silent_watch_gets_checkpoints(shared: Client, kind: Kind) -> None:
    """Nothing that matches is not silence: the token goes on with the log, no more often than once a second."""
    request = kind.request(checkpoint_interval=Duration(nanos=1))
    request.filter.message_ids.append("nobody")
    began = asyncio.get_running_loop().time()
    call = watch(shared, request)
    first = checkpoint = await following(call)
    published = await shared.publish(event(f"somebody-{kind.moved_alone}", SENT))

    checkpoints = 0
    while checkpoint.resume_token != published.resume_token:
        checkpoint = await following(call)
        checkpoints += 1
    call.cancel()

    assert asyncio.get_running_loop().time() - began >= 0.9 * checkpoints > 0
    assert (told_in(checkpoint), checkpoint.phase) == ([], LIVE)
    assert first.resume_token != checkpoint.resume_token
    assert checkpoint.head_position == published.results[0].position


async def test_many_watchers_and_publishers_at_once(client: Client, kind: Kind) -> None:
    """Each watcher has every transition that matches, once and in order, while eight clients publish."""
    requests = [kind.request(start_point=EARLIEST, max_batch_size=1 + 99 * number) for number in range(4)]
    requests += [kind.request(start_point=EARLIEST, shard_index=index, shard_count=2) for index in range(2)]
    requests.append(kind.request(start_point=EARLIEST, filter={"providers": ["p1"]}))
    last = event("last", provider="last")

    async def follow(request: Request) -> list[Response]:
        request.checkpoint_interval.seconds = 1
        return await watched(client, request, _has_seen_last)

    def _has_seen_last(seen: list[Response]) -> bool:
        return seen[-1].phase == LIVE and seen[-1].head_position == end and seen[-1].resume_token == end_token

    end, end_token = 0, ""
    watching = [asyncio.create_task(follow(request)) for request in requests]

    async def publish(own: int) -> None:
        for batch in range(10):
            await client.publish(
                *(event(f"m{own}-{batch}-{number}", step, provider=f"p{own % 3}")
                  for number in range(10) for step in (SENT, ACCEPTED, BOUNCED))
            )  # fmt: skip

    await asyncio.gather(*(publish(own) for own in range(8)))
    published = await client.publish(last)
    end, end_token = published.results[0].position, published.resume_token
    async with asyncio.timeout(20):
        streams = await asyncio.gather(*watching)

    assert end == 2_401
    whole = items(streams[0])
    assert [each.position for each in whole] == sorted({each.position for each in whole})
    assert len(whole) == (1_601 if kind.moved_alone else 2_401)
    for stream in streams[1:4]:
        assert positions(stream) == [each.position for each in whole]
    assert sorted(positions(streams[4]) + positions(streams[5])) == [each.position for each in whole]
    assert positions(streams[6]) == [each.position for each in whole if names(each)[0] == "p1"]


async def test_a_slow_watcher_misses_nothing(client: Client, kind: Kind) -> None:
    """One that does not read while far more happens than is kept for it gets all of it from the log."""
    call = watch(client, kind.request(start_point=EARLIEST))
    await following(call)
    for batch in range(7):
        await client.publish(*(event(f"slow-{batch}-{number}", SENT) for number in range(1_000)))

    responses: list[Response] = []
    while not responses or responses[-1].phase != LIVE or responses[-1].head_position < 7_000:
        responses.append(await following(call))
    call.cancel()

    assert positions(responses) == list(range(1, 7_001))


async def test_watchers_in_and_out_of_a_tiny_window(tmp_path: Path, kind: Kind) -> None:
    """Where four entries are kept and three read at a time, fast, slow and narrow watchers each miss nothing still."""
    requests = [kind.request(start_point=EARLIEST, max_batch_size=most) for most in (1, 1, 5, 0)]
    requests += [kind.request(), kind.request(), kind.request(filter={"message_ids": ["tiny-7-3"]})]
    async with (
        serving(tmp_path / "tiny.db", Tuning(watch_window=4, watch_page=3)) as service,
        connected(service.grpc_address) as client,
    ):
        calls = [watch(client, request) for request in requests]
        streams = [[await following(call)] for call in calls]

        async def follow(number: int, pause: float) -> None:
            while streams[number][-1].phase != LIVE or streams[number][-1].head_position < 400:
                if len(streams[number]) % 20 == 0:
                    await asyncio.sleep(pause)
                streams[number].append(await following(calls[number]))
            calls[number].cancel()

        watching = [asyncio.create_task(follow(number, number * 0.01)) for number in range(6)]
        for batch in range(40):
            await client.publish(*(event(f"tiny-{batch}-{number}", SENT) for number in range(10)))
        async with asyncio.timeout(20):
            await asyncio.gather(*watching)
            narrow = await following(calls[6])
        calls[6].cancel()

    assert [positions(stream) for stream in streams[:6]] == [list(range(1, 401))] * 6
    assert positions([narrow]) == [74]


async def test_responses_are_bounded(client: Client, kind: Kind) -> None:
    """Large events are split over responses, and the token of each resumes behind exactly what it brought."""
    await client.publish(*(large_event(f"large-{number}", SENT) for number in range(60)))
    stream = await watched(client, kind.request(start_point=EARLIEST), lambda seen: seen[-1].phase == LIVE)

    assert positions(stream) == list(range(1, 61))
    sizes = [response.ByteSize() for response in stream]
    assert max(sizes) <= RESPONSE_BYTES + 200
    assert max(sizes) > RESPONSE_BYTES * 0.9
    for number, response in enumerate(stream[:-1]):
        resumed = await watched(
            client, kind.request(resume_token=response.resume_token), lambda seen: seen[-1].phase == LIVE
        )
        assert positions(resumed) == positions(stream[number + 1 :])


async def idle(client: Client, kind: Kind) -> AsyncIterator[None]:
    """A watch that waits for what does not come, then is cancelled."""
    call = watch(client, kind.request())
    await following(call)
    yield
    call.cancel()


async def unread(client: Client, kind: Kind) -> AsyncIterator[None]:
    """A watch whose client does not read while the service has far more to send, then is cancelled."""
    for batch in range(4):
        await client.publish(*(large_event(f"unread-{batch}-{number}", SENT) for number in range(60)))
    call = watch(client, kind.request(start_point=EARLIEST))
    await following(call)
    yield
    call.cancel()


async def past_its_deadline(client: Client, kind: Kind) -> AsyncIterator[None]:
    """A watch that ends by its own deadline."""
    call = watch(client, kind.request(), seconds=0.7)
    await following(call)
    yield
    with pytest.raises(grpc.aio.AioRpcError, match="DEADLINE_EXCEEDED"):
        await following(call)


@pytest.mark.parametrize("way", [idle, unread, past_its_deadline])
async def test_nothing_is_left_of_a_watch_that_goes(service: Service, client: Client, kind: Kind, way) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """Neither a watcher nor a task outlives its client."""
    await client.publish()
    tasks = len(asyncio.all_tasks())
    going = way(client, kind)
    await anext(going)
    assert watchers(service) == 1

    with pytest.raises(StopAsyncIteration):
        await anext(going)

    await eventually(lambda: watchers(service) == 0)
    await eventually(lambda: len(asyncio.all_tasks()) <= tasks)


async def test_a_connection_that_goes_takes_its_watches_along(service: Service, kind: Kind) -> None:
    """Fifty watches on one channel are gone when it closes, and the service still answers."""
    async with connected(service.grpc_address) as client:
        calls = [watch(client, kind.request()) for _ in range(50)]
        await asyncio.gather(*(following(call) for call in calls))
        assert watchers(service) == 50
        for call in calls:
            call.cancel()

    await eventually(lambda: watchers(service) == 0)
    async with connected(service.grpc_address) as client:
        assert (await client.publish(event())).results[0].position == 1


async def test_a_start_time_to_come_leaves_out_what_comes_before_it(client: Client, kind: Kind) -> None:
    """Whatever is committed between the call and the start time is not sent."""
    start = Timestamp()
    start.FromMicroseconds(time.time_ns() // 1000 + 400_000)
    watching = asyncio.create_task(watched(client, kind.request(start_time=start), lambda seen: bool(items(seen))))
    published = 0
    while not watching.done():
        await client.publish(event(f"to-come-{published}"))
        published += 1

    seen = items(await watching)
    assert published > 1
    assert seen[0].commit_time.ToMicroseconds() >= start.ToMicroseconds()
