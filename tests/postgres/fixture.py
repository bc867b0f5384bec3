"""The fixtures of every test that needs PostgreSQL; a test that asks for one of them fails where there is none."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import pytest

from tests.postgres.binaries import Binaries
from tests.postgres.databases import Databases
from tests.postgres.server import PostgresServer


class StartPostgres(Protocol):
    """Starts a server for one test, that may end it as it likes, with these settings."""

    def __call__(
        self, binaries: Binaries | None = None, *, place: Path | None = None, **settings: object
    ) -> PostgresServer: ...


@pytest.fixture(scope="session")
def postgres() -> Iterator[Databases]:
    """The server that MSGSTATE_TEST_POSTGRES names, else one of our own for all the tests of this process."""
    if named := os.environ.get("MSGSTATE_TEST_POSTGRES"):
        databases = Databases(named)
        yield databases
        databases.disconnect()
        return
    with PostgresServer() as server:
        yield server


@pytest.fixture
def postgres_dsn(postgres: Databases) -> Iterator[str]:
    """A new, empty database."""
    name = f"msgstate_test_{uuid4().hex}"
    yield postgres.create_database(name)
    postgres.drop_database(name)


@pytest.fixture
def start_postgres() -> Iterator[StartPostgres]:
    with ExitStack() as servers:

        def start(binaries: Binaries | None = None, *, place: Path | None = None, **settings: object) -> PostgresServer:
            return servers.enter_context(PostgresServer(binaries, place=place, **settings))

        yield start
