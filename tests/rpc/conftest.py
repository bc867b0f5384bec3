from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from msgstate_server.app import Service
from tests.engines import ENGINES, Engine, engine_of
from tests.rpc.running import Client, connected, serving
from tests.rpc.watching import EVENTS, TRANSITIONS, Kind


@pytest.fixture(params=[TRANSITIONS, EVENTS], ids=["transitions", "events"])
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each of the two rpcs that watch."""
    found: Kind = request.param
    return found


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """Each engine that a service can have its log in."""
    yield from engine_of(request)


@pytest_asyncio.fixture(loop_scope="session")
async def service(engine: Engine, tmp_path: Path) -> AsyncIterator[Service]:
    """A service with an empty log."""
    async with serving(engine.url(tmp_path)) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def client(service: Service) -> AsyncIterator[Client]:
    """A client of the service with an empty log."""
    async with connected(service.grpc_address) as stubs:
        yield stubs


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared_service(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """One service for all of a module's tests, whose messages must differ."""
    async with serving(engine.url(tmp_path_factory.mktemp("shared"))) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared(shared_service: Service) -> AsyncIterator[Client]:
    """A client of the module's service."""
    async with connected(shared_service.grpc_address) as stubs:
        yield stubs
