"""Watches of one message each, none of which the workload is about: `narrow_watchers ADDRESS COUNT`.

It prints a number once all are open, and keeps them open until it is ended.
"""

import asyncio
import signal
import sys

import grpc

from msgstate.v1 import message_status_service_pb2 as pb
from msgstate.v1 import message_status_service_pb2_grpc

_CHANNELS = 20


async def keep_open(address: str, count: int) -> None:
    """Open the watches, spread over some channels, and read each until SIGTERM comes."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    channels = [grpc.aio.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) for _ in range(_CHANNELS)]
    stubs = [message_status_service_pb2_grpc.MessageStatusServiceStub(channel) for channel in channels]
    requests = [
        pb.WatchTransitionsRequest(filter=pb.TransitionFilter(message_ids=[f"quiet-{number}"]))
        for number in range(count)
    ]
    calls = [stubs[number % _CHANNELS].WatchTransitions(request) for number, request in enumerate(requests)]
    await asyncio.gather(*(call.read() for call in calls))
    readers = [asyncio.create_task(_read(call)) for call in calls]
    print(count, flush=True)  # noqa: T201
    await stop.wait()
    for reader in readers:
        reader.cancel()
    await asyncio.gather(*readers, return_exceptions=True)
    for channel in channels:
        await channel.close()


async def _read(call: "grpc.aio.UnaryStreamCall[pb.WatchTransitionsRequest, pb.WatchTransitionsResponse]") -> None:
    async for _ in call:
        pass


if __name__ == "__main__":
    asyncio.run(keep_open(sys.argv[1], int(sys.argv[2])))
