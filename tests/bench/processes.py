"""Servers, loads and limits as processes of their own, and what they cost."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.bench.result import Sample

CREDENTIALS: Final = "hook:secret"
"""What lets a webhook in at a server that is started here."""
_CONFIG: Final = Path(__file__).with_name("webhooks.toml")
_STOP_SECONDS: Final = 20.0
_STARTING: Final = re.compile(r"grpc=(?P<grpc>\S+) http=(?P<http>\S+)|^(?P<port>\d+)$")


class Server(NamedTuple):
    """A process that takes calls; a bare one has one address for both."""

    grpc: str
    http: str
    pid: int


@contextmanager
def started(*command: str) -> Iterator[Server]:
    """A server process, from its first line, which says where it is, to the end of the block."""
    with subprocess.Popen(
        [sys.executable, *command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            found = _STARTING.search(process.stdout.readline())
            assert found is not None, f"it does not start: {' '.join(command)}"
            bare = f"127.0.0.1:{found['port']}"
            yield Server(found["grpc"] or bare, found["http"] or bare, process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(_STOP_SECONDS)


def serve(store: Path | str) -> tuple[str, ...]:
    """The command that serves a file, or the store of a URL."""
    url = f"sqlite:///{store}" if isinstance(store, Path) else store
    address = "127.0.0.1:0"
    return (
        *("-m", "msgstate_server", "serve", "--store", url, "--grpc", address, "--http", address),
        *("--config", str(_CONFIG)),
    )


def bare(script: str, *arguments: str) -> tuple[str, ...]:
    """The command that starts a server of `limits`, which prints its port."""
    return ("-m", f"tests.bench.limits.{script}", *arguments)


def run(script: str, *arguments: str) -> dict[str, Any]:
    """A script of this folder, to its end: the JSON it prints."""
    done = subprocess.run(
        [sys.executable, "-m", f"tests.bench.{script}", *arguments], stdout=subprocess.PIPE, check=True, text=True
    )
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


def cpu_seconds(pid: int) -> float:
    """User and system time that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_bytes(pid: int) -> int:
    """The most resident memory that a process ever had."""
    (line,) = re.findall(r"^VmHWM:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(encoding="ascii"), re.MULTILINE)
    return int(line) * 1024


def load(address: str, pid: int | Sequence[int], kind: str, count: int, in_flight: int, *more: str) -> Sample:
    """Put a load on a server, or on several: operations a second, and what they cost all of them."""
    pids = [pid] if isinstance(pid, int) else pid
    before = sum(map(cpu_seconds, pids))
    measured = run("loads.load", kind, address, str(count), str(in_flight), *more)
    cpu = (sum(map(cpu_seconds, pids)) - before) * 1_000 / count
    return Sample(count / measured["seconds"], cpu, measured.get("p99"))
