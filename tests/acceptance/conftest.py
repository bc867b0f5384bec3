from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from tests.acceptance.server_process import ServerProcess, write_config


class StartServer(Protocol):
    """Starts a server on a store, a new one if none is named; settings go to the top of its file."""

    def __call__(self, store: Path | str | None = None, **settings: str) -> ServerProcess: ...


@pytest.fixture
def server_process(tmp_path: Path) -> Iterator[StartServer]:
    servers: list[ServerProcess] = []

    def start(store: Path | str | None = None, **settings: str) -> ServerProcess:
        number = len(servers)
        path = store or tmp_path / f"msgstate-{number}.db"
        config = write_config(tmp_path / f"server-{number}.toml", path, **settings)
        servers.append(ServerProcess(path, config))
        servers[-1].start()
        return servers[-1]

    yield start
    for server in servers:
        server.kill()
