"""The server's processes: one that runs, and one that stands ready to take its place."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.acceptance.server_process import READY, environment
from tests.robustness.history import now

ROOT: Final = Path(__file__).parents[2]
SECONDS: Final = 30.0
"""How long anything that a server does may take before it counts as never."""
_POLL_SECONDS: Final = 0.01
_TASKS: Final = re.compile(r"^tasks=(\d+)$", re.MULTILINE)


class ServerFailed(Exception):
    """A server did not start or did not end; the text has what it logged."""


class Process:
    """One server process, which waits for the order to start; its output and log are files."""

    def __init__(self, folder: Path, number: int, config: Path, code: Path | None) -> None:
        self._output = folder / f"server-{number}.out"
        self._log = folder / f"server-{number}.err"
        variables = {} if code is None else {"PYTHONPATH": str(code)}
        with self._output.open("wb") as output, self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.robustness.server", str(config)],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=log,
                cwd=ROOT,
                env=environment(**variables),
            )
        self.grpc = ""
        self.http = ""

    def order(self, line: str) -> None:
        """Give it an order; one that has died is told nothing."""
        assert self._process.stdin is not None
        try:
            os.write(self._process.stdin.fileno(), f"{line}\n".encode())
        except BrokenPipeError:
            return

    def send(self, number: signal.Signals) -> None:
        """Send the signal."""
        self._process.send_signal(number)

    def has_ended(self) -> bool:
        """Whether it has."""
        return self._process.poll() is not None

    async def ready(self) -> None:
        """Return when it takes calls, at the addresses that stand in its ready line; raises `ServerFailed`."""
        deadline = now() + SECONDS
        while not (found := READY.search(self.output())):
            if self.has_ended() or now() > deadline:
                raise ServerFailed(f"the server did not start: {self.log()[-2_000:]}")
            await asyncio.sleep(_POLL_SECONDS)
        self.grpc, self.http, _ = found.groups()

    async def ended(self, seconds: float = SECONDS) -> int:
        """Its exit code, minus the signal where one ended it; raises `ServerFailed` where it goes on."""
        deadline = now() + seconds
        while not self.has_ended():
            if now() > deadline:
                raise ServerFailed(f"the server does not end: {self.log()[-2_000:]}")
            await asyncio.sleep(_POLL_SECONDS)
        return self._process.returncode

    def close(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()

    def output(self) -> str:
        """What it printed."""
        return self._output.read_text()

    def log(self) -> str:
        """What it logged."""
        return self._log.read_text()


class Host:
    """Runs one server at a time on one store. `code` is the folder that holds the `msgstate_server` to run."""

    def __init__(
        self, folder: Path, store: str, settings: Mapping[str, Any], tuning: Mapping[str, Any], code: Path | None = None
    ) -> None:
        self.fired = folder / "fired"
        self._folder = folder
        self._code = code
        self._config = folder / "config.json"
        addresses = {"grpc": "127.0.0.1:0", "http": "127.0.0.1:0", "store": store}
        config = {"settings": addresses | dict(settings), "tuning": dict(tuning), "fired": str(self.fired)}
        self._config.write_text(json.dumps(config))
        self.processes: list[Process] = []
        self._running: Process | None = None
        self._spare = self._prepare()

    @property
    def running(self) -> Process:
        """The server that runs, or ran last."""
        assert self._running is not None, "not started"
        return self._running

    async def start(self) -> Process:
        """Start a server, and prepare the next one; raises `ServerFailed`."""
        self._running = self._spare
        self._running.order("start")
        await self._running.ready()
        self._spare = self._prepare()
        return self._running

    def arm(self, name: str, nth: int, action: str) -> None:
        """Have a failpoint of the running server do something."""
        self.fired.unlink(missing_ok=True)
        self.running.order(f"arm {name}:{nth}:{action}")

    def has_fired(self, name: str) -> bool:
        """Whether the failpoint was reached."""
        return self.fired.exists() and self.fired.read_text() == name

    async def tasks(self) -> int:
        """How many tasks the running server has now; raises `ServerFailed` where it does not say."""
        told = len(_TASKS.findall(self.running.output()))
        self.running.order("tasks")
        deadline = now() + SECONDS
        while len(found := _TASKS.findall(self.running.output())) == told:
            if now() > deadline:
                raise ServerFailed(f"the server obeys no orders: {self.running.log()[-2_000:]}")
            await asyncio.sleep(_POLL_SECONDS)
        return int(found[-1])

    def close(self) -> None:
        """End every process."""
        for process in self.processes:
            process.close()

    def log(self) -> str:
        """What all of them logged."""
        # One that was killed may have ended between a line and its end.
        return "\n".join(process.log() for process in self.processes)

    def _prepare(self) -> Process:
        process = Process(self._folder, len(self.processes), self._config, self._code)
        self.processes.append(process)
        return process
