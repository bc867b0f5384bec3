"""A stream of batches into a server that is stopped or killed in the middle of it."""

import asyncio
from collections.abc import Callable

import grpc
import pytest

from msgstate.v1 import event_service_pb2 as pb
from tests.acceptance.conftest import StartServer
from tests.acceptance.test_restart import check
from tests.rpc.running import DEADLINE, Client, connected, eventually
from tests.rpc.samples import DELIVERED, SENT, Told, event, told
from tests.rpc.streaming import Ended, stream

pytestmark = pytest.mark.asyncio(loop_scope="session")

RECIPIENTS = 20
AHEAD = 16


def batch(number: int) -> pb.StreamEventsRequest:
    """A batch of so many events that are transitions."""
    events = [
        event(f"m{number}", kind, recipient=f"{own}@x") for own in range(RECIPIENTS) for kind in (SENT, DELIVERED)
    ]
    return pb.StreamEventsRequest(batch_id=number, events=events)


async def publish(
    client: Client, acknowledged: list[pb.StreamEventsResponse], ending: Callable[[], bool]
) -> grpc.aio.AioRpcError:
    """Send batches, a few ahead of their acknowledgements, until the stream ends; the error with which it does.

    None is sent once the server is about to end: of a connection that is lost while gRPC sends it forgets the status.
    """
    call = client.events.StreamEvents(timeout=3 * DEADLINE)
    try:
        for number in range(AHEAD):
            await call.write(batch(number))
        while isinstance(response := await call.read(), pb.StreamEventsResponse):
            acknowledged.append(response)
            if not ending():
                await call.write(batch(len(acknowledged) + AHEAD - 1))
    except grpc.aio.AioRpcError as error:
        return error
    raise AssertionError("the stream ended without an error")


@pytest.mark.slow
@pytest.mark.parametrize("kill", [False, True], ids=["SIGTERM", "SIGKILL"])
async def test_what_was_acknowledged_is_there_after_the_end(server_process: StartServer, *, kill: bool) -> None:
    """Acknowledged batches are whole in the log after a restart, and the rest can be sent again."""
    server = server_process()
    acknowledged: list[pb.StreamEventsResponse] = []
    ending = asyncio.Event()
    async with connected(server.grpc) as client:
        reading = asyncio.create_task(publish(client, acknowledged, ending.is_set))
        await eventually(lambda: len(acknowledged) >= 50)
        ending.set()
        await asyncio.to_thread(server.kill if kill else server.terminate)
        error = await reading

    if kill:
        assert error.code() is grpc.StatusCode.UNAVAILABLE
    else:
        assert told(error) == Told(grpc.StatusCode.UNAVAILABLE, "DRAINING", "msgstate", {}, [], 1.0)
    assert [response.batch_id for response in acknowledged] == list(range(len(acknowledged)))
    assert {(response.accepted, response.duplicates) for response in acknowledged} == {(2 * RECIPIENTS, 0)}
    check(server.store)
    await asyncio.to_thread(server.start)
    async with connected(server.grpc) as client:
        count = len(acknowledged)
        again: Ended = await stream(client, [batch(number) for number in range(count + 20)])
    assert again.error is None
    assert again.counts[:count] == [(0, 2 * RECIPIENTS, 0)] * count
    assert set(again.counts[count:]) <= {(0, 2 * RECIPIENTS, 0), (2 * RECIPIENTS, 0, 0)}, (
        "half of a batch was committed"
    )
    check(server.store)
