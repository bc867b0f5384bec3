"""From a webhook's POST to a watch: `end_to_end HTTP GRPC COUNT PER_SECOND` prints p50 and p99 in seconds.

The two addresses are of one server, or of two that share a store.
"""

import asyncio
import json
import sys
from typing import Final

from msgstate.v1 import message_status_service_pb2 as pb
from tests.bench.loads import http1, http2
from tests.bench.loads.load import WATCH, percentile
from tests.bench.workload import message_id, post

_CONNECTIONS: Final = 64
_WAIT_SECONDS: Final = 60.0


async def measure(http: str, grpc: str, count: int, pace: float) -> list[float]:
    """Post at an even pace, each about another message, of which there are 3,000; seconds until each was told."""
    loop = asyncio.get_running_loop()
    posted: dict[str, float] = {}
    told: dict[str, float] = {}
    begun, done = asyncio.Event(), asyncio.Event()

    def receive(message: bytes | None) -> None:
        assert message is not None, "the watch ended"
        now = loop.time()
        begun.set()
        told.update({moved.message_id: now for moved in pb.WatchTransitionsResponse.FromString(message).transitions})
        if len(told) >= count:
            done.set()

    watching = await http2.connect(grpc)
    watching.start(WATCH, pb.WatchTransitionsRequest().SerializeToString(), receive)
    await begun.wait()
    free: asyncio.Queue[http1.Connection] = asyncio.Queue()
    for _ in range(_CONNECTIONS):
        free.put_nowait(await http1.connect(http, free.put_nowait))
    began = loop.time()
    for number in range(count):
        await asyncio.sleep(max(0.0, began + number / pace - loop.time()))
        connection = await free.get()
        # Also where a connection had to be waited for, it is the time since it was due that counts.
        posted[message_id(number)] = began + number / pace
        connection.send(post(number, http))
    await asyncio.wait_for(done.wait(), _WAIT_SECONDS)
    watching.close()
    return [told[name] - at for name, at in posted.items()]


def main() -> None:
    """Measure."""
    http, grpc, count, pace = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    seconds = asyncio.run(measure(http, grpc, count, pace))
    print(json.dumps({"p50": percentile(seconds, 50), "p99": percentile(seconds, 99)}))  # noqa: T201


if __name__ == "__main__":
    main()
