"""The program in docs/examples/stop_sending.py, against real servers that die, and itself killed."""

import random
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from msgstate import Client, Event, EventType
from tests.acceptance.server_process import ServerProcess, environment, wait_until, write_config
from tests.docs.pages import ROOT

PROGRAM = ROOT / "docs" / "examples" / "stop_sending.py"
SECONDS = 60.0
WHY = {"BOUNCED": "FAILED", "EXPIRED": "FAILED", "COMPLAINED": "COMPLAINED", "UNSUBSCRIBED": "UNSUBSCRIBED"}
KINDS = [name.removeprefix("EVENT_TYPE_") for name, number in EventType.items() if number]

Rows = set[tuple[str, str]]


class Program:
    """The program as a process; it can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "stopped.db"
        self._log = folder / "stop_sending.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, address: str) -> None:
        command = [sys.executable, str(PROGRAM), address, str(self.file)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=environment())

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def rows(self) -> Rows:
        """Who must not be sent to, and why, as the program knows it now."""
        with closing(sqlite3.connect(self.file)) as database:
            try:
                return set(database.execute("SELECT recipient, why FROM stopped"))
            except sqlite3.OperationalError:
                return set()

    def wait_for(self, expected: Rows) -> None:
        """Return once the program knows all of these."""
        wait_until(lambda: self._has_ended() or self.rows() >= expected, SECONDS, f"{len(expected)} rows")
        assert not self._has_ended(), self._log.read_text()

    def _has_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    program = Program(tmp_path)
    yield program
    program.kill()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    store = tmp_path / "msgstate.db"
    server = ServerProcess(store, write_config(tmp_path / "server.toml", store))
    server.start()
    yield server
    server.kill()


def restart(server: ServerProcess, tmp_path: Path, store: str = "msgstate.db") -> None:
    """Kill the server, and start it at the same port on this store."""
    server.kill()
    write_config(tmp_path / "server.toml", tmp_path / store, grpc=server.grpc)
    server.start()


def event(recipient: str, kind: str, message: str = "m") -> Event:
    return Event(provider="shop", message_id=message, recipient=recipient, type=EventType.Value(f"EVENT_TYPE_{kind}"))


def reported() -> list[Event]:
    """Events of every type about 300 recipients, all of them twice, in an order that has nothing to do with theirs."""
    chance = random.Random(11)  # noqa: S311
    events = [
        event(f"{number}@example.com", kind, f"m{message}")
        for number in range(300)
        for message in range(2)
        for kind in chance.sample(KINDS, chance.randint(1, 5))
    ]
    doubled = events * 2
    chance.shuffle(doubled)
    return doubled


def stopped(events: list[Event]) -> Rows:
    """Who must not be sent to after these events."""
    kinds = [(each.recipient, EventType.Name(each.type).removeprefix("EVENT_TYPE_")) for each in events]
    return {(recipient, WHY[kind]) for recipient, kind in kinds if kind in WHY}


@pytest.mark.slow
def test_the_recipe_misses_nobody_and_stops_nobody_else(
    program: Program, server: ServerProcess, tmp_path: Path
) -> None:
    """Through kills of the program and of the server it ends with who failed for good, complained or unsubscribed."""
    events = reported()
    steps = [events[start : start + 500] for start in range(0, len(events), 500)]
    for number, step in enumerate(steps):
        if number == 1:
            program.start(server.grpc)
        elif number % 3 == 2:
            restart(server, tmp_path)
        elif number > 1:
            program.kill()
            program.start(server.grpc)
        with Client(server.grpc) as client:
            client.publish_batch(step)
        if number % 2:
            program.wait_for(stopped(events[: (number + 1) * 500]))

    program.wait_for(stopped(events))

    assert stopped(events) == program.rows()
    assert len(steps) >= 6


def test_the_recipe_reads_anew_where_the_log_is_another(
    program: Program, server: ServerProcess, tmp_path: Path
) -> None:
    """Where the server's log is not the one that was read, it takes what is known there, then follows it."""
    with Client(server.grpc) as client:
        client.publish_batch([event("first@example.com", "BOUNCED")])
    program.start(server.grpc)
    program.wait_for({("first@example.com", "FAILED")})
    program.kill()
    restart(server, tmp_path, "another.db")
    with Client(server.grpc) as client:
        client.publish_batch([event("second@example.com", kind) for kind in ("UNSUBSCRIBED", "READ")])

    program.start(server.grpc)

    program.wait_for({("first@example.com", "FAILED"), ("second@example.com", "UNSUBSCRIBED")})
    with Client(server.grpc) as client:
        client.publish_batch([event("third@example.com", "COMPLAINED")])
    program.wait_for({("third@example.com", "COMPLAINED")})
    assert len(program.rows()) == 3
