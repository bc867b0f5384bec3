"""A connection pooler between msgstate and PostgreSQL is refused, whatever it lets through."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from msgstate_server.store.postgres.sessions import SETTINGS
from tests.acceptance import in_process
from tests.acceptance.server_process import run
from tests.postgres.pooler import MISSING, PROGRAM, Mode, Pooler
from tests.postgres.server import PostgresServer

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not PROGRAM, reason=MISSING)]

SAID: Final = "store: a connection pooler stands between msgstate and PostgreSQL ("
FREE: Final = {"MSGSTATE_GRPC": "127.0.0.1:0", "MSGSTATE_HTTP": "127.0.0.1:0"}
DATABASE: Final = "pooled"


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A server with a database that is up to date."""
    with PostgresServer() as server:
        dsn = server.create_database(DATABASE)
        assert in_process.run("migrate", MSGSTATE_STORE=dsn).returncode == 0
        yield server


@pytest.fixture(
    scope="module",
    params=[("transaction", ""), ("transaction", ",".join(SETTINGS)), ("session", ""), ("session", ",".join(SETTINGS))],
    ids=["transaction", "transaction that ignores settings", "session", "session that ignores settings"],
)
def pooled(request: pytest.FixtureRequest, server: PostgresServer) -> Iterator[str]:
    """The database as it is reached through a pooler."""
    mode: Mode
    mode, ignored = request.param
    with Pooler(server, mode, ignored=ignored) as pooler:
        yield pooler.dsn(DATABASE)


@pytest.mark.parametrize("command", ["migrate", "check"])
def test_a_pooler_is_refused(command: str, pooled: str) -> None:
    """Each command that opens the store says in one line what stands in the way, and the mend."""
    refused = in_process.run(command, MSGSTATE_STORE=pooled)

    assert (refused.returncode, refused.stdout, len(refused.stderr.splitlines())) == (1, "", 1)
    assert refused.stderr.startswith(f"msgstate: {SAID}")
    assert "connect to PostgreSQL itself" in refused.stderr


def test_a_server_behind_a_pooler_does_not_start(pooled: str, tmp_path: Path) -> None:
    """`serve` says the same, and exits with 1."""
    refused = run("serve", folder=tmp_path, MSGSTATE_STORE=pooled, **FREE)

    assert (refused.returncode, refused.stdout) == (1, "")
    assert SAID in refused.stderr
    assert "Traceback" not in refused.stderr


def test_the_doctor_names_a_pooler(pooled: str, tmp_path: Path) -> None:
    """The doctor finds it too."""
    found = in_process.run("doctor", folder=tmp_path, MSGSTATE_STORE=pooled, **FREE)

    assert found.returncode == 1
    assert SAID in found.stdout
