"""A watch from the beginning: `catching_up ADDRESS COUNT` prints the seconds until so many transitions were told."""

import asyncio
import json
import sys
import time

import grpc

from msgstate.v1 import message_status_service_pb2 as pb
from msgstate.v1 import message_status_service_pb2_grpc


async def main() -> None:
    """Read them all."""
    address, count = sys.argv[1], int(sys.argv[2])
    async with grpc.aio.insecure_channel(address) as channel:
        await channel.channel_ready()
        stub = message_status_service_pb2_grpc.MessageStatusServiceStub(channel)
        request = pb.WatchTransitionsRequest(start_point=pb.START_POINT_EARLIEST, max_batch_size=1_000)
        began, told = time.perf_counter(), 0
        async for response in stub.WatchTransitions(request):
            told += len(response.transitions)
            if told >= count:
                break
        print(json.dumps({"seconds": time.perf_counter() - began}))  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main())
