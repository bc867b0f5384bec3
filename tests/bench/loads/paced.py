"""Loads at an even pace, whatever the server does: `paced get ADDRESS PER_SECOND COUNT MESSAGES` prints p99 in seconds.

`paced stream ADDRESS PER_SECOND` writes events of new messages, in batches, until it is ended; it prints a number once
the first are acknowledged.
"""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from typing import Final

import grpc

from tests.bench.loads import http2
from tests.bench.loads.load import GET, STREAM, percentile
from tests.bench.workload import BATCH, NEW, gets, stream_requests

_WAIT_SECONDS: Final = 60.0
_ENDLESS: Final = 1_000_000_000


async def get(address: str, pace: float, count: int, messages: int) -> list[float]:
    """Look messages up, each at its moment; gives the seconds from then to the answer."""
    loop = asyncio.get_running_loop()
    latencies: list[float] = []
    done = asyncio.Event()
    connection = await http2.connect(address)

    def start(request: bytes, due: float) -> None:
        answers: list[bytes] = []

        def receive(message: bytes | None) -> None:
            if message is not None:
                return answers.append(message)
            assert answers, "the call failed"
            latencies.append(loop.time() - due)
            if len(latencies) == count:
                done.set()
            return None

        connection.start(GET, request, receive)

    requests = gets(count, messages)
    began = loop.time()
    for number, request in enumerate(requests):
        due = began + number / pace
        await asyncio.sleep(max(0.0, due - loop.time()))
        start(request, due)
    await asyncio.wait_for(done.wait(), _WAIT_SECONDS)
    connection.close()
    return latencies


async def stream(address: str, pace: float) -> None:
    """Write until SIGTERM comes."""
    loop = asyncio.get_running_loop()
    writing = asyncio.current_task()
    assert writing is not None
    loop.add_signal_handler(signal.SIGTERM, writing.cancel)

    async def requests() -> AsyncIterator[bytes]:
        began = loop.time()
        for number, request in enumerate(stream_requests(_ENDLESS, NEW)):
            await asyncio.sleep(max(0.0, began + number * BATCH / pace - loop.time()))
            yield request

    async with grpc.aio.insecure_channel(address) as channel:
        method: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(STREAM)
        first = True
        async for _ in method(requests()):
            if first:
                print(1, flush=True)  # noqa: T201
            first = False


def main() -> None:
    """Run one load."""
    match sys.argv[1:]:
        case ["get", address, pace, count, messages]:
            seconds = asyncio.run(get(address, float(pace), int(count), int(messages)))
            print(json.dumps({"p99": percentile(seconds, 99)}))  # noqa: T201
        case ["stream", address, pace]:
            asyncio.run(stream(address, float(pace)))


if __name__ == "__main__":
    main()
