import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Protocol

import pytest

from msgstate import Client, Event
from tests.acceptance.server_process import ServerProcess
from tests.client.driven import driven_client
from tests.client.samples import new_server

# It tells what is wrong with an environment that is meant to hold the client alone.
collect_ignore = [] if "MSGSTATE_TEST_LIGHT" in os.environ else ["test_installed.py"]

_numbers = count()


class Connect(Protocol):
    """Makes a client of one of the two kinds; it is closed with the test."""

    def __call__(self, *addresses: str, timeout: float = 10, retry: bool = True) -> Client: ...


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server for all tests that neither stop it nor count what is in it."""
    server = new_server(tmp_path_factory.mktemp("shared"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def make_server(tmp_path: Path) -> Iterator[Callable[[str], ServerProcess]]:
    """Starts a server of the test's own."""
    servers: list[ServerProcess] = []

    def make(name: str) -> ServerProcess:
        servers.append(new_server(tmp_path, name))
        servers[-1].start()
        return servers[-1]

    yield make
    for server in servers:
        server.kill()


@pytest.fixture
def own_server(make_server: Callable[[str], ServerProcess]) -> ServerProcess:
    """A server with an empty store."""
    return make_server("own")


@pytest.fixture(params=["Client", "AsyncClient"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Makes clients of both kinds, each in its turn."""
    with ExitStack() as stack:

        def make(*addresses: str, timeout: float = 10, retry: bool = True) -> Client:
            kind = Client if request.param == "Client" else driven_client
            return stack.enter_context(kind(*addresses, timeout=timeout, retry=retry))

        yield make


@pytest.fixture
def client(connect: Connect, shared_server: ServerProcess) -> Client:
    """A client of the shared server."""
    return connect(shared_server.grpc)


@pytest.fixture
def message_id() -> str:
    """An id that no other test uses."""
    return f"own{next(_numbers)}"


@pytest.fixture
def later(shared_server: ServerProcess) -> Iterator[Callable[..., None]]:
    """Publishes each event by itself, a moment from now and one after the other."""
    threads: list[threading.Thread] = []

    def publish(*events: Event) -> None:
        with Client(shared_server.grpc) as publisher:
            for each in events:
                time.sleep(0.2)
                publisher.publish_batch([each])

    def start(*events: Event) -> None:
        threads.append(threading.Thread(target=publish, args=events))
        threads[-1].start()

    yield start
    for thread in threads:
        thread.join()
