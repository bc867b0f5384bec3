"""What servers that share a PostgreSQL say of themselves when all of them lose it at once, and what clients hear."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from msgstate import AsyncClient, ServerUnavailable
from tests.acceptance.conftest import StartServer
from tests.acceptance.replicas import say
from tests.acceptance.server_process import ServerProcess
from tests.postgres.fixture import StartPostgres
from tests.postgres.network import BLACK_HOLE, behind_proxy
from tests.postgres.server import PostgresServer
from tests.robustness.proxy import FAIR, Proxy
from tests.rpc.running import DEADLINE, connected
from tests.rpc.samples import SENT, event

pytestmark = pytest.mark.asyncio(loop_scope="session")

SERVING: Final = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING: Final = health_pb2.HealthCheckResponse.NOT_SERVING
NAMES: Final = ("", "msgstate.v1.MessageStatusService")
"""What balancers ask for, and what the client does."""
AWAY_SECONDS: Final = 8.0
"""How long after its database is gone a server may say that it is well, on a machine that is busy too."""
Fault = Callable[[PostgresServer, Proxy], None]

FAULTS: Final[dict[str, tuple[Fault, Fault]]] = {
    "stopped": (lambda database, _: void(database.stop()), lambda database, _: database.start()),
    "silent": (lambda _, proxy: proxy.turn(BLACK_HOLE), lambda _, proxy: proxy.turn(FAIR)),
}
"""What befalls the database, or the way to it, and the mend."""


def void(_: object) -> None:
    """Nothing of it."""


class Health:
    """All that a server says of itself."""

    def __init__(self, server: ServerProcess, calls: list[Any]) -> None:
        self._server = server
        self._calls = calls

    async def next(self) -> set[int]:
        """What its gRPC health says next, for every name."""
        return {(await call.read()).status for call in self._calls}

    async def http(self) -> tuple[int, int]:
        """What `/healthz` and `/readyz` answer."""
        async with httpx.AsyncClient(base_url=f"http://{self._server.http}", trust_env=False) as http:
            return (await http.get("/healthz")).status_code, (await http.get("/readyz")).status_code


@asynccontextmanager
async def health_of(*servers: ServerProcess) -> AsyncIterator[list[Health]]:
    """Their health, watched."""
    async with AsyncExitStack() as opened:
        found = []
        for server in servers:
            client = await opened.enter_async_context(connected(server.grpc))
            stub: Any = health_pb2_grpc.HealthStub(client.channel)
            calls = [stub.Watch(health_pb2.HealthCheckRequest(service=name), timeout=3 * DEADLINE) for name in NAMES]
            found.append(Health(server, calls))
        yield found


@pytest.mark.parametrize("fault", FAULTS)
async def test_all_lose_their_database(server_process: StartServer, start_postgres: StartPostgres, fault: str) -> None:
    """All stay alive and say that they are not ready; a client of all is told why; then all goes on."""
    database = start_postgres()
    begin, end = FAULTS[fault]
    async with behind_proxy(database.create_database("shared")) as (proxy, url):
        servers = [await asyncio.to_thread(server_process, url) for _ in range(2)]
        addresses = [server.grpc for server in servers]
        async with health_of(*servers) as healths, AsyncClient(*addresses) as client, client.watch() as watch:
            await client.publish_batch([event("before", SENT)])
            watched = [(await anext(watch)).message_id]
            well = [(await each.next(), await each.http()) for each in healths]
            began = time.monotonic()
            await asyncio.to_thread(begin, database, proxy)
            ill = [(await each.next(), await each.http()) for each in healths]
            away = time.monotonic() - began
            with pytest.raises(ServerUnavailable) as raised:
                await client.get_status("before", timeout=1)
            coming = asyncio.create_task(client.publish_batch([event("after", SENT)], timeout=DEADLINE))
            began = time.monotonic()
            await asyncio.to_thread(end, database, proxy)
            assert [result.position for result in (await coming).results] == [2]
            answered = time.monotonic() - began
            well_again = [(await each.next(), await each.http()) for each in healths]
            back = time.monotonic() - began
            watched.append((await anext(watch)).message_id)
    say(
        f"database {fault}: not ready after {away:.2f} s; once it was back a client that waited was answered after "
        f"{answered:.2f} s, and all were ready after {back:.2f} s"
    )
    assert (well, ill) == ([({SERVING}, (200, 200))] * 2, [({NOT_SERVING}, (200, 503))] * 2)
    assert well_again == well
    assert watched == ["before", "after"]
    assert away < AWAY_SECONDS
    assert "cannot reach their database" in str(raised.value)
