"""A load generator, as a process of its own: `load KIND ADDRESSES COUNT IN_FLIGHT [MESSAGES | FIRST | SPREAD]`.

The kinds are publish, stream, unary, webhook, get, batch-get and catch-up, which reads so many transitions. Calls of
`publish`, so many in flight, go to each of the addresses, which are separated by commas. Look-ups are of so many
messages, a stream begins with an event, and the events of `unary` are spread over so many messages. Each kind is warmed
up by its first requests. It prints the seconds that all of it took and, of calls that have one answer, the 99th
percentile, as JSON.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from typing import Final

import grpc

from msgstate.v1 import message_status_service_pb2 as pb
from tests.bench.loads import http1, http2
from tests.bench.workload import SPREAD, WATCH_BATCH, batch_gets, gets, post, publish_requests, stream_requests

PUBLISH: Final = "/msgstate.v1.EventService/PublishEvents"
STREAM: Final = "/msgstate.v1.EventService/StreamEvents"
GET: Final = "/msgstate.v1.MessageStatusService/GetMessageStatus"
BATCH_GET: Final = "/msgstate.v1.MessageStatusService/BatchGetMessageStatuses"
WATCH: Final = "/msgstate.v1.MessageStatusService/WatchTransitions"
_CONNECTIONS: Final = 4
_WARM_CALLS: Final = 100

Measured = dict[str, float]


async def large_calls(addresses: str, method: str, requests: Sequence[bytes], in_flight: int) -> Measured:
    """Make all calls, so many at a time; seconds in all, and the latencies' 99th percentile."""
    async with AsyncExitStack() as opened:
        calls: list[grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]] = []
        for address in addresses.split(","):
            channel = await opened.enter_async_context(grpc.aio.insecure_channel(address))
            calls.append(channel.unary_unary(method))
            await calls[-1](requests[0])
        latencies: list[float] = []

        async def work(call: "grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]", queue: Iterator[bytes]) -> None:
            for request in queue:
                started = time.perf_counter()
                await call(request)
                latencies.append(time.perf_counter() - started)

        queue = iter(requests)
        started = time.perf_counter()
        await asyncio.gather(*(work(call, queue) for call in calls for _ in range(in_flight)))
        return _measured(time.perf_counter() - started, latencies)


async def small_calls(address: str, method: str, requests: list[bytes], in_flight: int) -> Measured:
    """The same where a call is so small that what it costs the load counts."""
    connections = [await http2.connect(address) for _ in range(_CONNECTIONS)]
    await http2.Calls(method, requests[:_WARM_CALLS]).run(connections, in_flight)
    calls = http2.Calls(method, requests)
    seconds = await calls.run(connections, in_flight)
    for connection in connections:
        connection.close()
    return _measured(seconds, calls.latencies)


async def posts(address: str, requests: list[bytes], connections: int) -> Measured:
    """Post all bodies over so many connections."""
    await http1.post_all(address, requests[:_WARM_CALLS], connections)
    return _measured(*await http1.post_all(address, requests, connections))


async def stream(address: str, requests: Sequence[bytes]) -> Measured:
    """Send all batches over one stream, as fast as flow control allows; seconds until the last acknowledgement."""
    async with grpc.aio.insecure_channel(address) as channel:
        await channel.channel_ready()
        method: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(STREAM)
        async for _ in method(iter(requests[:1])):
            pass
        started = time.perf_counter()
        acknowledged = 0
        async for _ in method(iter(requests)):
            acknowledged += 1
        seconds = time.perf_counter() - started
    assert acknowledged == len(requests)
    return {"seconds": seconds}


async def catch_up(address: str, count: int) -> Measured:
    """Watch from the beginning until so many transitions were told."""
    await _watch(address, min(count, WATCH_BATCH))
    return {"seconds": await _watch(address, count)}


async def _watch(address: str, count: int) -> float:
    loop = asyncio.get_running_loop()
    told, done = 0, loop.create_future()

    def receive(message: bytes | None) -> None:
        nonlocal told
        if done.done():
            return
        if message is None:
            done.set_exception(ConnectionError("the watch ended"))
            return
        told += len(pb.WatchTransitionsResponse.FromString(message).transitions)
        if told >= count:
            done.set_result(loop.time())

    connection = await http2.connect(address)
    began = loop.time()
    request = pb.WatchTransitionsRequest(start_point=pb.START_POINT_EARLIEST, max_batch_size=WATCH_BATCH)
    connection.start(WATCH, request.SerializeToString(), receive)
    seconds: float = await done - began
    connection.close()
    return seconds


def percentile(values: Sequence[float], hundredth: int) -> float:
    """The value below which so many hundredths of them are."""
    return sorted(values)[len(values) * hundredth // 100]


def _measured(seconds: float, latencies: Sequence[float]) -> Measured:
    return {"seconds": seconds, "p99": percentile(latencies, 99)}


def main() -> None:
    """Run one load."""
    kind, address = sys.argv[1:3]
    count, in_flight, of = (int(number) for number in [*sys.argv[3:], "0"][:3])
    match kind:
        case "publish":
            measured = large_calls(address, PUBLISH, publish_requests(count), in_flight)
        case "stream":
            measured = stream(address, list(stream_requests(count, of)))
        case "unary":
            measured = small_calls(address, PUBLISH, publish_requests(count, 1, of or SPREAD), in_flight)
        case "webhook":
            measured = posts(address, [post(number, address) for number in range(count)], in_flight)
        case "get":
            measured = small_calls(address, GET, gets(count, of), in_flight)
        case "batch-get":
            measured = large_calls(address, BATCH_GET, batch_gets(count, of), in_flight)
        case "catch-up":
            measured = catch_up(address, count)
        case _:
            raise SystemExit(f"no such load: {kind}")
    print(json.dumps(asyncio.run(measured)))  # noqa: T201


if __name__ == "__main__":
    main()
