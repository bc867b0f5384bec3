"""SIGTERM ends a server within 5 seconds, whatever its clients are at, and loses nothing that it acknowledged."""

import asyncio
import signal
import socket
import time
from contextlib import ExitStack
from typing import Final

import grpc
import pytest

from msgstate.v1 import event_pb2, event_service_pb2, status_pb2
from msgstate.v1 import message_status_service_pb2 as pb
from tests.acceptance.conftest import StartServer
from tests.acceptance.server_process import ServerProcess
from tests.acceptance.test_restart import EARLIEST, check, transitions
from tests.rpc.running import DEADLINE, Client, WatchCall, connected
from tests.rpc.samples import Told, event, told

pytestmark = pytest.mark.asyncio(loop_scope="session")

EXIT_SECONDS: Final = 5.0
BATCH: Final = 300
WATCHES: Final = 400
CALLERS: Final = 12
DRAINING: Final = Told(grpc.StatusCode.UNAVAILABLE, "DRAINING", "msgstate", {}, [], 1.0)
HALF_A_WEBHOOK: Final = (
    b"POST /webhooks/cloudmailin HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n"
    b"Authorization: Basic aG9vazpzZWNyZXQ=\r\n\r\n{"
)


class Publisher:
    """Publishes batch after batch, and remembers how many events were acknowledged last."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.acknowledged: list[str] = []

    async def run(self, client: Client) -> grpc.aio.AioRpcError:
        """Publish until the server takes no more; the error with which it says so."""
        while True:
            message_id = f"{self.name}-{len(self.acknowledged)}"
            try:
                await client.publish(*batch(message_id))
            except grpc.aio.AioRpcError as error:
                return error
            self.acknowledged.append(message_id)


def batch(message_id: str) -> list[event_pb2.Event]:
    """Events of so many recipients, of about 1 KiB each."""
    return [event(message_id, recipient=f"{number}@x", detail="d" * 1_000) for number in range(BATCH)]


async def follow(client: Client, seen: list[pb.WatchTransitionsResponse]) -> grpc.aio.AioRpcError:
    """Watch until the server ends it."""
    try:
        async for response in client.statuses.WatchTransitions(EARLIEST, timeout=3 * DEADLINE):
            seen.append(response)  # noqa: PERF401  (what came before the error counts)
    except grpc.aio.AioRpcError as error:
        return error
    raise AssertionError("a watch ended without an error")


async def list_all(client: Client) -> grpc.aio.AioRpcError:
    """Ask for lists that match nothing, which are the longest to make, until the server is gone."""
    wanted = pb.ListMessageStatusesRequest(
        filter=pb.MessageStatusFilter(states=[status_pb2.STATE_FAILED]), page_size=1_000
    )
    while True:
        try:
            await client.statuses.ListMessageStatuses(wanted, timeout=DEADLINE)
        except grpc.aio.AioRpcError as error:
            return error


async def ended(server: ServerProcess) -> tuple[int, float]:
    """The exit code after SIGTERM, and how many seconds that took."""
    began = time.monotonic()
    return await asyncio.to_thread(server.interrupt, signal.SIGTERM), time.monotonic() - began


async def test_everything_at_once_ends_in_time(server_process: StartServer) -> None:
    """Stalled watches, half a webhook, a stream that nobody reads, lists and a busy writer hold up no exit."""
    server = server_process()
    seen: list[pb.WatchTransitionsResponse] = []
    publishers = [Publisher(f"p{number}") for number in range(3)]
    with ExitStack() as sockets:
        async with connected(server.grpc) as client, connected(server.grpc) as busy:
            for number in range(10):
                await client.publish(*batch(f"before-{number}"))
            watching = asyncio.create_task(follow(client, seen))
            stalled = [client.statuses.WatchTransitions(EARLIEST, timeout=DEADLINE) for _ in range(20)]
            for call in stalled:
                await call.read()
            host, port = server.http.rsplit(":", 1)
            for _ in range(3):
                sockets.enter_context(socket.create_connection((host, int(port)))).sendall(HALF_A_WEBHOOK)
            stream = busy.events.StreamEvents(timeout=DEADLINE)
            writing = asyncio.create_task(_write(stream))
            listing = asyncio.create_task(list_all(client))
            publishing = [asyncio.create_task(publisher.run(busy)) for publisher in publishers]
            while not all(publisher.acknowledged for publisher in publishers):  # noqa: ASYNC110  (no event to wait for)
                await asyncio.sleep(0.005)

            code, seconds = await ended(server)

            errors = [await watching, await listing, *[await each for each in publishing]]
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            for call in stalled:
                call.cancel()
            stream.cancel()
    assert code == 0
    assert seconds < EXIT_SECONDS
    assert {error.code() for error in errors} == {grpc.StatusCode.UNAVAILABLE}
    assert told(errors[0]) == DRAINING
    assert not seen[-1].transitions
    assert [each.position for each in transitions(seen)] == list(range(1, len(transitions(seen)) + 1))
    check(server.store)
    server.start()
    async with connected(server.grpc) as client:
        for publisher in publishers:
            for message_id in publisher.acknowledged:
                assert len((await client.status(message_id)).status.recipients) == BATCH


async def _write(
    stream: "grpc.aio.StreamStreamCall[event_service_pb2.StreamEventsRequest, event_service_pb2.StreamEventsResponse]",
) -> None:
    """Write batches and read no acknowledgement."""
    number = 0
    while True:
        number += 1
        await stream.write(event_service_pb2.StreamEventsRequest(batch_id=number, events=batch(f"s{number}")))


async def test_who_calls_beside_many_watches_hears_of_the_end(server_process: StartServer) -> None:
    """However many watches end at that moment, every other call is told to come again, and none is cut off."""
    server = server_process()
    quiet = pb.WatchTransitionsRequest(filter=pb.TransitionFilter(message_ids=["quiet"]))
    async with connected(server.grpc) as client, connected(server.grpc) as other:
        await client.publish(event("m"))
        watches = [client.statuses.WatchTransitions(quiet, timeout=3 * DEADLINE) for _ in range(WATCHES)]
        await asyncio.gather(*[watch.read() for watch in watches])
        asking = [asyncio.create_task(ask(other)) for _ in range(CALLERS)]
        publishing = [asyncio.create_task(Publisher(f"p{number}").run(other)) for number in range(4)]
        ending = [asyncio.create_task(drained(watch)) for watch in watches]

        code, _ = await ended(server)

        errors = [await each for each in (*asking, *publishing)]
        codes = [await each for each in ending]
    assert code == 0, server.log()
    assert {error.code() for error in errors} == {grpc.StatusCode.UNAVAILABLE}
    assert set(codes) == {grpc.StatusCode.UNAVAILABLE}


async def drained(watch: WatchCall) -> grpc.StatusCode:
    """Read a watch to its end, and give how it ended."""
    try:
        while await watch.read():
            pass
    except grpc.aio.AioRpcError as error:
        return error.code()
    return await watch.code()


async def ask(client: Client) -> grpc.aio.AioRpcError:
    """Ask for one status after the other until the server is gone; the error with which it says so."""
    while True:
        try:
            await client.status("m")
        except grpc.aio.AioRpcError as error:
            return error
