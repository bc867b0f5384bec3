"""The rows of what it costs to run: space, starts, memory, and the worst that others can do."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pysqlite3.dbapi2 as sqlite

from tests.bench.bench import Bench
from tests.bench.processes import run, serve, started
from tests.bench.result import Kind, Row, Sample, Target


def ready(bench: Bench) -> list[Row]:
    """From the start to the ready line, after a SIGKILL amid writing with 1,000,000 events in the file."""
    row = Row("ready", "s", Target(Kind.BOUND, 3))
    file = bench.copy_of_filled("ready.db")
    before = position(file)
    with started(*serve(file)) as server:
        writing = [sys.executable, "-m", "tests.bench.loads.load", "stream", server.grpc, str(bench.sizes.events), "1"]
        with subprocess.Popen(writing, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as load_process:
            while position(file) < before + bench.sizes.events // 4:
                time.sleep(0.01)
            os.kill(server.pid, signal.SIGKILL)
            load_process.wait()
    for repeat in range(bench.sizes.repeats):
        killed = bench.folder / f"ready-{repeat}.db"
        for suffix in ("", "-wal"):
            shutil.copyfile(f"{file}{suffix}", f"{killed}{suffix}")
        began = time.perf_counter()
        with bench.server(killed):
            row.ours.append(Sample(time.perf_counter() - began))
    return [row]


def position(file: Path) -> int:
    """Where the log of a file that is served stands."""
    with closing(sqlite.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        found: int = connection.execute("SELECT position FROM head").fetchone()[0]
    return found


def stalled(bench: Bench) -> list[Row]:
    """Resident memory of the server for each watcher that never reads: 500 of 1,000, while the others read all.

    The filters of the 500 are all the same, or each is another that matches everything, or each is besides as large as
    it may be: three full lists, of 64 KiB in all.
    """
    return [
        _stalled(bench, name, filters)
        for name, filters in (("stalled", "equal"), ("stalled-distinct", "distinct"), ("stalled-large", "large"))
    ]


def _stalled(bench: Bench, name: str, filters: str) -> Row:
    measured = run(
        "loads.stalled_watchers", "live", filters, str(bench.sizes.watchers), str(bench.sizes.watched_events)
    )
    return Row(name, "KiB", Target(Kind.BOUND, 256), [Sample(measured["per_stalled"] / 1024)])


def costly(bench: Bench) -> list[Row]:
    """Processor time for the costliest of the largest webhook bodies that are made to take long."""
    samples = [Sample(run("loads.costly_bodies")["seconds"]) for _ in range(bench.sizes.repeats)]
    return [Row("costly", "s", Target(Kind.BOUND, 1), samples)]
