"""A load generator, as a process of its own: `load publish|stream|get|batch-get ADDRESSES COUNT IN_FLIGHT [EVENTS]`.

Calls go to each of the addresses, which are separated by commas, so many at a time.


It prints the seconds that all calls took and, of calls that have one answer, the 99th percentile, as JSON.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack

import grpc

from msgstate.v1 import message_status_service_pb2 as pb
from tests.bench.workload import BATCH, look_ups, publish_requests, stream_requests

_PUBLISH = "/msgstate.v1.EventService/PublishEvents"
_STREAM = "/msgstate.v1.EventService/StreamEvents"
_GET = "/msgstate.v1.MessageStatusService/GetMessageStatus"
_BATCH_GET = "/msgstate.v1.MessageStatusService/BatchGetMessageStatuses"


async def run(addresses: str, method: str, bodies: Sequence[bytes], in_flight: int) -> dict[str, float]:
    """Make all calls, so many at a time; seconds in all, and the latencies' 99th percentile."""
    async with AsyncExitStack() as opened:
        calls: list[grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]] = []
        for address in addresses.split(","):
            channel = await opened.enter_async_context(grpc.aio.insecure_channel(address))
            calls.append(channel.unary_unary(method))
            await calls[-1](bodies[0])
        latencies: list[float] = []

        async def work(call: "grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]", queue: Iterator[bytes]) -> None:
            for body in queue:
                started = time.perf_counter()
                await call(body)
                latencies.append(time.perf_counter() - started)

        queue = iter(bodies)
        started = time.perf_counter()
        await asyncio.gather(*(work(call, queue) for call in calls for _ in range(in_flight)))
        seconds = time.perf_counter() - started
    latencies.sort()
    return {"seconds": seconds, "p99": latencies[len(latencies) * 99 // 100]}


async def stream(address: str, bodies: Sequence[bytes]) -> dict[str, float]:
    """Send all batches over one stream, as fast as flow control allows; seconds until the last acknowledgement."""
    async with grpc.aio.insecure_channel(address) as channel:
        await channel.channel_ready()
        method: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(_STREAM)
        started = time.perf_counter()
        acknowledged = 0
        async for _ in method(iter(bodies)):
            acknowledged += 1
        seconds = time.perf_counter() - started
    assert acknowledged == len(bodies)
    return {"seconds": seconds}


def gets(count: int, events: int) -> list[bytes]:
    """Look-ups of messages at random."""
    return [pb.GetMessageStatusRequest(message_id=wanted).SerializeToString() for wanted in look_ups(count, events)]


def batch_gets(count: int, events: int) -> list[bytes]:
    """The same look-ups, 500 a call."""
    wanted = look_ups(count, events)
    return [
        pb.BatchGetMessageStatusesRequest(
            keys=[pb.MessageKey(message_id=each) for each in wanted[start : start + BATCH]]
        ).SerializeToString()
        for start in range(0, count, BATCH)
    ]


def main() -> None:
    """Run one load."""
    kind, address, count, in_flight = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    match kind:
        case "publish":
            measured = asyncio.run(run(address, _PUBLISH, publish_requests(count), in_flight))
        case "stream":
            measured = asyncio.run(stream(address, stream_requests(count)))
        case "get":
            measured = asyncio.run(run(address, _GET, gets(count, int(sys.argv[5])), in_flight))
        case "batch-get":
            measured = asyncio.run(run(address, _BATCH_GET, batch_gets(count, int(sys.argv[5])), in_flight))
        case _:
            raise SystemExit(f"no such load: {kind}")
    print(json.dumps(measured))  # noqa: T201


if __name__ == "__main__":
    main()
