"""A load generator, as a process of its own: `load publish|get ADDRESS COUNT IN_FLIGHT [EVENTS]`.

It prints the seconds that all calls took, and their median and 99th percentile, as JSON.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Iterator

import grpc

from msgstate.v1 import message_status_service_pb2
from tests.bench.workload import message_id, requests

_PUBLISH = "/msgstate.v1.EventService/PublishEvents"
_GET = "/msgstate.v1.MessageStatusService/GetMessageStatus"
_SEED = 7


async def run(address: str, method: str, bodies: list[bytes], in_flight: int) -> dict[str, float]:
    """Make all calls, so many at a time; seconds in all, and the latencies' median and 99th percentile."""
    async with grpc.aio.insecure_channel(address) as channel:
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(method)
        await call(bodies[0])
        latencies: list[float] = []

        async def work(queue: Iterator[bytes]) -> None:
            for body in queue:
                started = time.perf_counter()
                await call(body)
                latencies.append(time.perf_counter() - started)

        queue = iter(bodies)
        started = time.perf_counter()
        await asyncio.gather(*(work(queue) for _ in range(in_flight)))
        seconds = time.perf_counter() - started
    latencies.sort()
    return {"seconds": seconds, "p50": latencies[len(latencies) // 2], "p99": latencies[len(latencies) * 99 // 100]}


def gets(count: int, events: int) -> list[bytes]:
    """Look-ups of messages at random."""
    chosen = random.Random(_SEED)  # noqa: S311
    return [
        message_status_service_pb2.GetMessageStatusRequest(
            message_id=message_id(chosen.randrange(events))
        ).SerializeToString()
        for _ in range(count)
    ]


def main() -> None:
    """Run one load."""
    kind, address, count, in_flight = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    if kind == "publish":
        method, bodies = _PUBLISH, requests(count)
    else:
        method, bodies = _GET, gets(count, int(sys.argv[5]))
    print(json.dumps(asyncio.run(run(address, method, bodies, in_flight))))  # noqa: T201


if __name__ == "__main__":
    main()
