"""How the bench measures: servers and loads as processes of their own, and what they cost."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

_STARTING = re.compile(r"grpc=(?P<address>\S+)|^(?P<port>\d+)$")


class Sample(NamedTuple):
    """One run: operations per second, and the server's CPU milliseconds per thousand of them (None without one)."""

    rate: float
    cpu: float | None
    p99: float | None


class Row(NamedTuple):
    """One line of the table."""

    name: str
    ours: list[Sample]
    limit: list[Sample]
    target: float

    @property
    def ratio(self) -> float:
        """Our median rate over the limit's."""
        return median(sample.rate for sample in self.ours) / median(sample.rate for sample in self.limit)


class Figure(NamedTuple):
    """One line of the table of what has a bound of its own instead of a limit beside it."""

    name: str
    values: list[float]
    unit: str
    bound: float


@contextmanager
def started(*command: str) -> Iterator[tuple[str, int]]:
    """A server process: its address and process id; ended when the block ends."""
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            found = _STARTING.search(line)
            if found:
                yield found["address"] or f"127.0.0.1:{found['port']}", process.pid
                break
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def run(*command: str) -> dict[str, Any]:
    """A script of this folder, to its end: the JSON it prints."""
    script, *arguments = command
    done = subprocess.run(
        [sys.executable, "-m", f"tests.bench.{script}", *arguments], stdout=subprocess.PIPE, check=True, text=True
    )
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


def cpu_seconds(pid: int) -> float:
    """User and system time that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def load(address: str, pid: int, kind: str, count: int, in_flight: int, *more: str) -> Sample:
    """Put a load on a server."""
    before = cpu_seconds(pid)
    measured = run("load", kind, address, str(count), str(in_flight), *more)
    cpu = (cpu_seconds(pid) - before) * 1e6 / count
    return Sample(count / measured["seconds"], cpu, measured.get("p99"))


def serve(store: Path | str) -> tuple[str, ...]:
    """The command that serves a file, or the store of a URL."""
    address = "127.0.0.1:0"
    url = f"sqlite:///{store}" if isinstance(store, Path) else store
    return ("-m", "msgstate_server", "serve", "--store", url, "--grpc", address, "--http", address)
