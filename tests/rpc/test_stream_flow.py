"""What holds a stream of batches back, what ends it early, and what it leaves behind."""

import asyncio
import gc
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
import pytest
import pytest_asyncio

from msgstate.v1 import event_service_pb2 as pb
from msgstate_server.app import Service
from msgstate_server.domain.decision import Outcome, Submission
from msgstate_server.domain.errors import StoreUnavailable
from msgstate_server.rpc.event_stream import BATCHES_AHEAD
from tests.rpc.running import DEADLINE, Client, eventually
from tests.rpc.samples import Told, event, told
from tests.rpc.streaming import Ended, ended, requests, stream

pytestmark = pytest.mark.asyncio(loop_scope="session")

DRAINING = Told(grpc.StatusCode.UNAVAILABLE, "DRAINING", "msgstate", {}, [], 1.0)


class Door:
    """Stands before the store's `append`: it can be shut, and commits can be made to fail."""

    def __init__(self, service: Service) -> None:
        self.ingest = service._ingest  # noqa: SLF001  (no client can hold the store up)
        self.open = asyncio.Event()
        self.open.set()
        self.failure: Exception | None = None
        self.fails_on = ""
        self._append = service._store.append  # noqa: SLF001

    async def append(self, submissions: Sequence[Submission]) -> list[list[Outcome]]:
        """Wait for the door, then fail where that was asked for, or append."""
        await self.open.wait()
        ids = {each.event.message_id for submission in submissions for each in submission.candidates}
        if self.failure and (not self.fails_on or self.fails_on in ids):
            raise self.failure
        return await self._append(submissions)

    @property
    def queued(self) -> int:
        """Events that wait to be committed."""
        return self.ingest._queued  # noqa: SLF001


@pytest_asyncio.fixture(loop_scope="session")
async def door(service: Service, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Door]:
    door = Door(service)
    monkeypatch.setattr(service._store, "append", door.append)  # noqa: SLF001
    yield door
    door.failure = None
    door.open.set()


def streams() -> int:
    """How many tasks of streams are there."""
    names = [str(task.get_coro()) for task in asyncio.all_tasks()]
    return sum("EventStream" in name or "Ingest.closed" in name for name in names)


def singles(name: str, count: int) -> list[pb.StreamEventsRequest]:
    """Batches of one event."""
    return requests(*([event(f"{name}-{number}")] for number in range(count)))


async def settled(client: Client) -> None:
    """Let whatever can go on go on, over the wire too; for showing that something does not."""
    for _ in range(30):
        with pytest.raises(grpc.aio.AioRpcError, match="INVALID_ARGUMENT"):
            await client.status("")


async def test_a_stream_is_read_a_few_batches_ahead(client: Client, door: Door) -> None:
    """While nothing is committed, no more batches are taken than may be in flight; then all go through in order."""
    door.open.clear()
    running = asyncio.create_task(stream(client, singles("m", 100)))
    await eventually(lambda: door.queued == BATCHES_AHEAD - 1)
    await settled(client)

    assert door.queued == BATCHES_AHEAD - 1
    door.open.set()
    assert (await running).batch_ids == list(range(1, 101))


async def test_a_client_that_reads_no_acknowledgements_is_held_back(service: Service) -> None:
    """The server stops reading its batches a few ahead of what it could acknowledge, until the client reads."""
    large = [event("", detail="d" * 300) for _ in range(999)]

    async def write() -> None:
        for number in range(30):
            # Nearly all of a batch is refused, so that its acknowledgement is large.
            await call.write(pb.StreamEventsRequest(batch_id=number, events=[event(f"m{number}"), *large]))
        await call.done_writing()

    # Without the probe the client's window stays at 64 KiB, however fast the machine is.
    async with grpc.aio.insecure_channel(service.grpc_address, [("grpc.http2.bdp_probe", 0)]) as channel:
        client, store = Client(channel), service._store  # noqa: SLF001
        call = client.events.StreamEvents(timeout=3 * DEADLINE)
        writing = asyncio.create_task(write())
        await eventually(lambda: store.head.position >= BATCHES_AHEAD)
        taken = -1
        while taken != store.head.position:
            taken = store.head.position
            await settled(client)

        assert taken <= BATCHES_AHEAD + 2
        acknowledged = []
        while isinstance(response := await call.read(), pb.StreamEventsResponse):
            acknowledged.append(response.batch_id)
        await writing
    assert acknowledged == list(range(30))
    assert store.head.position == 30


async def test_a_stream_waits_for_room_in_the_queue(
    client: Client, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the queue is full a single batch fails at its deadline, but a stream goes on once there is room."""
    monkeypatch.setattr(door.ingest, "_queue_events", 2)
    door.open.clear()
    running = asyncio.create_task(stream(client, singles("m", 10)))
    await eventually(lambda: door.queued == 2)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await client.events.PublishEvents(pb.PublishEventsRequest(events=[event("other")]), timeout=0.5)

    assert told(raised.value).reason == "INGEST_QUEUE_FULL"
    assert not running.done()
    door.open.set()
    assert (await running).counts == [(1, 0, 0)] * 10


async def test_a_client_that_goes_away_leaves_nothing_behind(client: Client, door: Door) -> None:
    """What waited is not committed, no task goes on, and nobody misses the answer to what was under way."""
    reported: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: reported.append(context))
    try:
        door.open.clear()
        call = client.events.StreamEvents(iter(singles("m", 20)), timeout=DEADLINE)
        await eventually(lambda: door.queued == BATCHES_AHEAD - 1)
        assert streams() > 0
        call.cancel()
        await eventually(lambda: streams() == 0)
        door.failure = StoreUnavailable("away")
        door.open.set()
        await eventually(lambda: door.queued == 0)
        await settled(client)
        # It holds the frames that it went through, and all that is in them.
        door.failure = None
        gc.collect()
    finally:
        loop.set_exception_handler(None)

    assert reported == []
    answer = await client.publish(*(request.events[0] for request in singles("m", 20)))
    assert {result.disposition for result in answer.results} == {pb.DISPOSITION_ACCEPTED}


async def test_a_store_that_goes_away_ends_the_stream(client: Client, door: Door) -> None:
    """Every batch that was committed before is acknowledged; what was not may be sent again."""
    door.failure, door.fails_on = StoreUnavailable("the database cannot be written now"), "m-7"
    given = singles("m", 20)

    result = await stream(client, given)

    assert result.error is not None
    assert told(result.error) == Told(grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE", "msgstate", {}, [], 1.0)
    assert result.batch_ids == list(range(1, len(result.batch_ids) + 1))
    assert len(result.batch_ids) <= 7
    door.failure = None
    again = await stream(client, given)
    assert again.counts[: len(result.batch_ids)] == [(0, 1, 0)] * len(result.batch_ids)
    assert again.counts[7] == (1, 0, 0)
    await eventually(lambda: streams() == 0)


async def test_a_fault_ends_the_stream_after_what_was_committed(client: Client, door: Door) -> None:
    """A batch that the store chokes on costs none of those before it; the client learns no more than that it failed."""
    door.failure, door.fails_on = ValueError("choked"), "m-7"

    result = await stream(client, singles("m", 20))

    assert result.error is not None
    assert told(result.error) == Told(grpc.StatusCode.INTERNAL, "INTERNAL", "msgstate", {}, [], None)
    assert result.counts == [(1, 0, 0)] * 7


async def test_drain_ends_a_stream_that_is_idle(service: Service, client: Client) -> None:
    """A client that has sent nothing for a while is told to go elsewhere at once."""
    call = client.events.StreamEvents(timeout=DEADLINE)
    await call.write(singles("m", 1)[0])
    assert isinstance(await call.read(), pb.StreamEventsResponse)
    service._ingest.drain()  # noqa: SLF001

    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call.read()

    assert told(raised.value) == DRAINING
    await eventually(lambda: streams() == 0)


async def test_drain_acknowledges_what_was_taken(service: Service, client: Client, door: Door) -> None:
    """No more is read, what is in flight is committed and acknowledged, then the stream ends with DRAINING."""
    door.open.clear()
    call = client.events.StreamEvents(iter(singles("m", 100)), timeout=DEADLINE)
    running: asyncio.Task[Ended] = asyncio.create_task(ended(call))
    await eventually(lambda: door.queued == BATCHES_AHEAD - 1)
    door.ingest.drain()
    await settled(client)
    assert not running.done()
    door.open.set()

    result = await running

    assert result.error is not None
    assert told(result.error) == DRAINING
    assert result.counts == [(1, 0, 0)] * BATCHES_AHEAD
    assert service._store.head.position == BATCHES_AHEAD  # noqa: SLF001


async def test_drain_ends_a_stream_that_waits_for_room(
    client: Client, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch that did not get its place is not taken; those before it are acknowledged."""
    monkeypatch.setattr(door.ingest, "_queue_events", 2)
    door.open.clear()
    running = asyncio.create_task(stream(client, singles("m", 10)))
    await eventually(lambda: door.queued == 2)
    await settled(client)
    door.ingest.drain()
    door.open.set()

    result = await running

    assert result.error is not None
    assert told(result.error) == DRAINING
    assert result.counts == [(1, 0, 0)] * 3
