"""From a commit to the receipt of it by many: `fan_out ADDRESS WATCHERS TRANSITIONS PER_SECOND` prints p50 and p99.

All watch without a filter, while one transition after another is published at an even pace. Every receipt of every
watcher counts, in seconds.
"""

import asyncio
import json
import sys
import time
from functools import lru_cache
from typing import Final

from msgstate.v1 import event_service_pb2
from msgstate.v1 import message_status_service_pb2 as pb
from tests.bench.loads import http2
from tests.bench.loads.load import PUBLISH, WATCH, percentile
from tests.bench.workload import NEW, event

_CONNECTIONS: Final = 10
_WAIT_SECONDS: Final = 60.0


@lru_cache(maxsize=16)
def _commit_times(response: bytes) -> list[float]:
    """Of the transitions of a response, which is the same for many."""
    moved = pb.WatchTransitionsResponse.FromString(response).transitions
    return [each.commit_time.ToNanoseconds() / 1e9 for each in moved]


async def measure(address: str, watchers: int, transitions: int, pace: float) -> list[float]:
    """Watch and publish; gives the seconds of each receipt."""
    loop = asyncio.get_running_loop()
    receipts: list[float] = []
    open_watches, done = asyncio.Semaphore(0), asyncio.Event()

    def receive(response: bytes | None) -> None:
        assert response is not None, "the watch ended"
        now = time.time()
        committed = _commit_times(response)
        receipts.extend(now - at for at in committed)
        if not committed:
            open_watches.release()
        if len(receipts) == watchers * transitions:
            done.set()

    connections = [await http2.connect(address) for _ in range(_CONNECTIONS)]
    for number in range(watchers):
        request = pb.WatchTransitionsRequest().SerializeToString()
        connections[number % _CONNECTIONS].start(WATCH, request, receive)
    for _ in range(watchers):
        await asyncio.wait_for(open_watches.acquire(), _WAIT_SECONDS)
    publisher = await http2.connect(address)
    began = loop.time()
    for number in range(transitions):
        await asyncio.sleep(max(0.0, began + number / pace - loop.time()))
        request = event_service_pb2.PublishEventsRequest(events=[event(NEW + number)]).SerializeToString()
        publisher.start(PUBLISH, request, lambda _: None)
    await asyncio.wait_for(done.wait(), _WAIT_SECONDS)
    for connection in (publisher, *connections):
        connection.close()
    return receipts


def main() -> None:
    """Measure."""
    address, watchers, transitions, pace = sys.argv[1:]
    seconds = asyncio.run(measure(address, int(watchers), int(transitions), float(pace)))
    print(json.dumps({"p50": percentile(seconds, 50), "p99": percentile(seconds, 99)}))  # noqa: T201


if __name__ == "__main__":
    main()
