"""From a webhook's POST to one replica to a watch on another: `hop URL COUNT PER_SECOND` prints p50 and p99 in seconds.

The URL is of a store that several servers share; two are started here, and ended.
"""

import asyncio
import json
import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import httpx

from msgstate.v1 import message_status_service_pb2 as pb
from msgstate.v1 import message_status_service_pb2_grpc
from tests.acceptance.server_process import CREDENTIALS

_READY = re.compile(r"grpc=(\S+) http=(\S+)")


@asynccontextmanager
async def _server(url: str, folder: Path) -> AsyncIterator[tuple[str, str]]:
    """A replica: its addresses of gRPC and HTTP."""
    config = folder / "server.toml"
    settings = f'store = {json.dumps(url)}\ngrpc = "127.0.0.1:0"\nhttp = "127.0.0.1:0"\n'
    await asyncio.to_thread(config.write_text, settings + CREDENTIALS)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "msgstate_server", "serve", "--config", str(config)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        found = _READY.search((await process.stdout.readline()).decode())
        assert found is not None, "the server does not start"
        yield found[1], found[2]
    finally:
        process.terminate()
        await process.wait()


async def main() -> None:
    """Post at an even pace, and note when each event is told."""
    url, count, pace = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    posted: dict[str, float] = {}
    told: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        async with _server(url, Path(folder)) as (_, http), _server(url, Path(folder)) as (address, _):
            watching = asyncio.create_task(_watch(address, count, told))
            async with httpx.AsyncClient(base_url=f"http://{http}", auth=("hook", "secret"), trust_env=False) as client:
                begun = time.perf_counter()
                posts = set()
                for number in range(count):
                    await asyncio.sleep(max(0.0, begun + number / pace - time.perf_counter()))
                    posted[f"m{number}"] = time.perf_counter()
                    posts.add(asyncio.create_task(_post(client, f"m{number}")))
                await asyncio.gather(*posts)
            await asyncio.wait_for(watching, 60)
    seconds = sorted(told[name] - at for name, at in posted.items())
    print(json.dumps({"p50": seconds[count // 2], "p99": seconds[count * 99 // 100]}))  # noqa: T201


async def _post(client: httpx.AsyncClient, message_id: str) -> None:
    event = {"kind": "delivery", "recipient": "a@example.com", "message_id": message_id}
    answer = await client.post("/webhooks/cloudmailin", json={"events": [event]})
    answer.raise_for_status()


async def _watch(address: str, count: int, told: dict[str, float]) -> None:
    async with grpc.aio.insecure_channel(address) as channel:
        stub = message_status_service_pb2_grpc.MessageStatusServiceStub(channel)
        request = pb.WatchTransitionsRequest(start_point=pb.START_POINT_EARLIEST)
        async for response in stub.WatchTransitions(request):
            now = time.perf_counter()
            told |= {moved.message_id: now for moved in response.transitions if moved.message_id not in told}
            if len(told) >= count:
                return


if __name__ == "__main__":
    asyncio.run(main())
