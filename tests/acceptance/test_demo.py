import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.acceptance.server_process import environment, run, wait_until

# They want the same ports.
pytestmark = pytest.mark.xdist_group("demo")

STATES = ("QUEUED", "SENT", "DELIVERED", "ENGAGED", "FAILED", "SUPPRESSED")
COMMANDS = re.compile(r"^Commands to try next.*?\n\n(.*?)\n\nServing", re.MULTILINE | re.DOTALL)


class Demo:
    """`msgstate demo` as a process, its temporary folder within the test's own."""

    def __init__(self, folder: Path, *arguments: str, **variables: str) -> None:
        self._output = folder / "demo.out"
        command = [sys.executable, "-m", "msgstate_server", "demo", *arguments]
        self.environment = environment(TMPDIR=str(folder), **variables)
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=self.environment)

    def output(self) -> str:
        return self._output.read_text()

    def wait_for(self, text: str) -> None:
        wait_until(lambda: text in self.output() or self.process.poll() is not None, 60, text)
        assert text in self.output(), self.output()

    def address(self, name: str) -> str:
        found = re.search(rf"^  {name} +(\S+)", self.output(), re.MULTILINE)
        assert found, self.output()
        return found[1]


@pytest.fixture
def start_demo(tmp_path: Path) -> Iterator[Callable[..., Demo]]:
    """Starts demos; whatever still runs at the end is killed."""
    started: list[Demo] = []

    def start(*arguments: str, **variables: str) -> Demo:
        started.append(Demo(tmp_path, *arguments, **variables))
        return started[-1]

    yield start
    for demo in started:
        demo.process.kill()
        demo.process.wait()


def test_each_command_that_the_demo_prints_works_when_pasted(start_demo: Callable[..., Demo], tmp_path: Path) -> None:
    """The demo reaches every state, each command it prints then works in a shell, and Ctrl-C ends it with 0."""
    demo = start_demo("--pace", "0")
    demo.wait_for("Serving until Ctrl-C.")

    shown = demo.output()
    found = COMMANDS.search(shown)
    assert found, shown
    commands = [line for line in found[1].splitlines() if not line.startswith("  #")]
    results = [
        subprocess.run(line, shell=True, capture_output=True, text=True, check=False, env=demo.environment, timeout=30)  # noqa: S602
        for line in commands
    ]

    assert all(f"→ {state}" in shown for state in STATES)
    assert [result.returncode for result in results] == [0] * len(commands), results
    assert len(commands) >= 7
    assert '"accepted":1' in "".join(result.stdout for result in results)
    demo.process.send_signal(signal.SIGINT)
    assert demo.process.wait(10) == 0
    assert "Traceback" not in demo.output()
    assert [path.name for path in tmp_path.glob("msgstate-demo-*/*.db")] == ["msgstate.db"]


def test_the_demo_shows_what_the_design_promises(start_demo: Callable[..., Demo]) -> None:
    """Duplicates, late evidence, quarantine, an overturned error and a failure made final are all on the screen."""
    demo = start_demo("--once", "--pace", "0")
    demo.process.wait(60)

    shown = demo.output()
    for pattern in (
        r"# not valid JSON.*\n.* 200 1 quarantined",
        r"# the same webhook again\n.* 200 1 duplicate",
        r"alan@example.com stays SENT",
        r"radia@example.org +QUEUED → FAILED +errored: .*\(provisional\)",
        r"radia@example.org +FAILED → DELIVERED",
        r"frances@example.org +FAILED → FAILED +bounced",
        r"ken@example.org +ENGAGED → FAILED +bounced",
    ):
        assert re.search(pattern, shown), (pattern, shown)


def test_the_demo_can_be_shown_once(tmp_path: Path) -> None:
    """With --once it ends by itself with 0, leaving nothing behind, and prints no colours into a pipe."""
    result = run("demo", "--once", "--pace", "0", TMPDIR=str(tmp_path))

    assert (result.returncode, result.stderr) == (0, "")
    assert "\x1b" not in result.stdout
    assert "Commands to try next" not in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_demo_gives_way_to_what_uses_its_ports(start_demo: Callable[..., Demo]) -> None:
    """If the usual ports are taken, the demo says so, takes free ones and works."""
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
        grpc, http = (f"127.0.0.1:{listener.getsockname()[1]}" for listener in listeners)
        demo = start_demo("--once", "--pace", "0", MSGSTATE_GRPC=grpc, MSGSTATE_HTTP=http)

        assert demo.process.wait(60) == 0

    assert demo.address("gRPC") != grpc
    assert demo.address("webhooks") != http
    assert demo.output().count("is in use)") == 2
    assert "→ SUPPRESSED" in demo.output()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_of_the_play_ends_it(start_demo: Callable[..., Demo], number: signal.Signals) -> None:
    """A demo that is stopped while it plays closes its store and ends with 0, without a traceback."""
    demo = start_demo("--pace", "30")
    started = time.monotonic()
    demo.wait_for("→ QUEUED")
    assert time.monotonic() - started < 30

    demo.process.send_signal(number)

    assert demo.process.wait(10) == 0
    assert "Traceback" not in demo.output()
    assert "The store stays in" in demo.output()


def test_the_demo_is_coloured_in_a_terminal(tmp_path: Path) -> None:
    """In a terminal the states are coloured and recipients come as a table."""
    reader, writer = os.openpty()
    variables = environment(TMPDIR=str(tmp_path), TERM="xterm-256color", COLUMNS="160")
    del variables["NO_COLOR"]
    command = [sys.executable, "-m", "msgstate_server", "demo", "--once", "--pace", "0"]
    process = subprocess.Popen(command, stdout=writer, stderr=writer, env=variables)
    os.close(writer)
    try:
        shown = b"".join(_chunks(reader)).decode()
    finally:
        os.close(reader)
        process.kill()
        process.wait()

    assert "\x1b[31m\x1b[1mFAILED" in shown
    assert "────" in shown


def _chunks(reader: int) -> Iterator[bytes]:
    """What a terminal shows, until the last program leaves it."""
    # Linux reports that as an error.
    with contextlib.suppress(OSError):
        while chunk := os.read(reader, 65_536):
            yield chunk
