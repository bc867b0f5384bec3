"""What clients are told of a log of which a part is gone, by a service that deletes it while it runs."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
import pytest_asyncio
from google.protobuf.timestamp_pb2 import Timestamp

from msgstate.v1 import message_status_service_pb2 as pb
from msgstate_server.app import Service, Tuning
from msgstate_server.settings import Settings
from tests.builders import SECOND, Clock
from tests.rpc.running import DEADLINE, SETTINGS, Client, connected
from tests.rpc.samples import BOUNCED, SENT, event, told
from tests.rpc.watching import Kind, following, items, watch

pytestmark = pytest.mark.asyncio(loop_scope="session")

PERIODS = {"log_retention": "100s", "status_retention": "200s", "payload_retention": "50s"}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture(loop_scope="session")
async def client(tmp_path: Path, clock: Clock) -> AsyncIterator[Client]:
    """A client of a service that keeps things for seconds, and sweeps all the time."""
    store = f"sqlite:///{tmp_path / 'msgstate.db'}"
    settings = Settings(store=store, grpc="127.0.0.1:0", http="127.0.0.1:0", webhooks=SETTINGS, **PERIODS)
    service = Service(settings, Tuning(retention_seconds=0.01, retention_rows=2), clock)
    await service.start()
    try:
        async with connected(service.grpc_address) as stubs:
            yield stubs
    finally:
        await service.stop()


async def compacted(client: Client, message_id: str) -> pb.GetMessageStatusResponse:
    """The message's status, once its events are gone."""
    async with asyncio.timeout(DEADLINE):
        while True:
            response = await client.status(message_id)
            if response.status.recipients[0].HasField("compact_time"):
                return response
            await asyncio.sleep(0.005)


async def refusal(client: Client, message_id: str) -> str:
    """Why the message is not answered, once it no longer is."""
    async with asyncio.timeout(DEADLINE):
        while True:
            try:
                await client.status(message_id)
            except grpc.aio.AioRpcError as error:
                return told(error).reason
            await asyncio.sleep(0.005)


async def test_a_watch_below_the_log(client: Client, clock: Clock, kind: Kind) -> None:
    """A token or a time of what is gone is OUT_OF_RANGE with the earliest position; EARLIEST begins there."""
    start = Timestamp()
    start.FromMicroseconds(clock.now)
    old = (await client.publish(event("m1"))).resume_token
    at_the_floor = (await client.publish(event("m1", SENT))).resume_token
    clock.now += 101 * SECOND
    await client.publish(event("m2"))
    await compacted(client, "m1")
    for request in (kind.request(resume_token=old), kind.request(start_time=start)):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await following(watch(client, request))
        error = told(refused.value)
        assert (error.code, error.reason) == (grpc.StatusCode.OUT_OF_RANGE, "POSITION_COMPACTED")
        assert error.metadata == {"earliest_position": "3"}
    for request in (kind.request(resume_token=at_the_floor), kind.request(start_point=pb.START_POINT_EARLIEST)):
        call = watch(client, request)
        responses = [await following(call) for _ in range(2)]
        assert [item.position for item in items(responses)] == [3]
        call.cancel()


async def test_a_live_watch_beside_retention(client: Client, clock: Clock, kind: Kind) -> None:
    """A watch that has seen what is deleted goes on, and so does one from the token of a read at the floor."""
    call = watch(client, kind.request())
    await following(call)
    for number in range(5):
        await client.publish(event(f"m{number}"))
        assert [item.position for item in items([await following(call)])] == [number + 1]
        clock.now += 101 * SECOND
        token = (await compacted(client, f"m{number}")).resume_token
    await client.publish(event("m5", BOUNCED))
    from_the_read = watch(client, kind.request(resume_token=token))
    both = [await following(call), await following(from_the_read), await following(from_the_read)]
    assert [item.position for item in items(both)] == [6, 6]
    call.cancel()
    from_the_read.cancel()


async def test_the_ends_of_a_message(client: Client, clock: Clock) -> None:
    """Its events go first, and its status says when; then all of it is MESSAGE_NOT_FOUND; then it begins anew."""
    await client.publish(event("m1", SENT), event("m1", BOUNCED))
    clock.now += 101 * SECOND
    status = (await compacted(client, "m1")).status.recipients[0]
    assert (status.version, status.position, status.compact_time.ToMicroseconds()) == (2, 2, clock.now)
    history = pb.GetMessageHistoryRequest(message_id="m1")
    assert list((await client.statuses.GetMessageHistory(history)).entries) == []
    clock.now += 100 * SECOND
    assert await refusal(client, "m1") == "MESSAGE_NOT_FOUND"
    await client.publish(event("m1", SENT))
    (status,) = (await client.status("m1")).status.recipients
    assert (status.version, status.position, status.HasField("compact_time")) == (1, 3, False)
