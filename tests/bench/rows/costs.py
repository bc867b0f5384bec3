"""The rows of what it costs to run: space, starts, memory, and the worst that others can do."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.bench.bench import Bench, position
from tests.bench.limits import importing
from tests.bench.processes import bare, peak_bytes, run, serve, started
from tests.bench.result import Kind, Row, Sample, Target
from tests.bench.rows import ingest, lists, reads, watches
from tests.bench.rows.ingest import streamed
from tests.bench.workload import NEW

if TYPE_CHECKING:
    import sqlite3 as sqlite
else:
    import pysqlite3.dbapi2 as sqlite

_MB: Final = 1_000_000


def ready(bench: Bench) -> list[Row]:
    """From the start to the ready line, after a SIGKILL amid writing with 1,000,000 events in the file."""
    row = Row("ready", "s", Target(Kind.BOUND, 3))
    file = bench.copy_of_filled("ready.db")
    before = position(file)
    with started(*serve(file)) as server:
        writing = [sys.executable, "-m", "tests.bench.loads.load", "stream", server.grpc, str(bench.sizes.events), "1"]
        writing.append(str(NEW))
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


def stalled(bench: Bench) -> list[Row]:
    """Resident memory of the server for each watcher that never reads: 500 of 1,000, while the others read all.

    The filters of the 500 are all the same, or each is another that matches everything, or each is besides as large as
    it may be: three full lists, of 64 KiB in all.
    """
    names = {"equal": "stalled", "distinct": "stalled-distinct", "large": "stalled-large"}
    sizes = (str(bench.sizes.watchers), str(bench.sizes.watched_events))
    measured = run("loads.stalled_watchers", "live", ",".join(names), *sizes)
    return [
        Row(name, "KiB", Target(Kind.BOUND, 256), [Sample(measured[filters]["per_stalled"] / 1024)])
        for filters, name in names.items()
    ]


def costly(bench: Bench) -> list[Row]:
    """Processor time for the costliest of the largest webhook bodies that are made to take long."""
    samples = [Sample(run("loads.costly_bodies")["seconds"]) for _ in range(bench.sizes.repeats)]
    return [Row("costly", "s", Target(Kind.BOUND, 1), samples)]


def start(bench: Bench) -> list[Row]:
    """`msgstate serve` until it is healthy, and `msgstate --help`, each beside a process that imports its libraries."""
    serving = serve(bench.folder / "start.db")
    helping = ("-m", "msgstate_server", "--help")
    serve_row = Row("start serve", "s", Target(Kind.COST, 2))
    help_row = Row("start --help", "s", Target(Kind.COST, 1.5))
    libraries = [importing.command(importing.libraries([*command])) for command in (serving, helping)]
    for _ in range(bench.sizes.starts):
        serve_row.ours.append(Sample(_healthy_after(serving)))
        serve_row.limit.append(Sample(_ended_after(libraries[0])))
        help_row.ours.append(Sample(_ended_after([*helping])))
        help_row.limit.append(Sample(_ended_after(libraries[1])))
    return [serve_row, help_row]


def _ended_after(arguments: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def _healthy_after(command: tuple[str, ...]) -> float:
    """The seconds until the health service says that it serves."""
    began = time.perf_counter()
    with started(*command) as server, grpc.insecure_channel(server.grpc) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(  # type: ignore[attr-defined]
            health_pb2.HealthCheckRequest(), timeout=10
        )
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        return time.perf_counter() - began


def size(bench: Bench) -> list[Row]:
    """Bytes on disk per event of `ingest-stream`'s file, beside the bytes of the values in its rows."""
    row = Row("size", "B", Target(Kind.COST, 2.5, 2))
    _, file = streamed(bench)
    row.ours.append(Sample(file.stat().st_size / bench.sizes.events))
    row.limit.append(Sample(_value_bytes(file) / bench.sizes.events))
    return [row]


def _value_bytes(file: Path) -> int:
    """The bytes that the values of all rows take, each number in as few as it needs."""
    with closing(sqlite.connect(file)) as connection:
        connection.create_function("bytes_of", -1, lambda *values: sum(map(_bytes, values)))
        tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
        return sum(_table_bytes(connection, name) for (name,) in tables.fetchall())


def _table_bytes(connection: sqlite.Connection, table: str) -> int:
    columns = ", ".join(name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})"))
    found: int = connection.execute(f"SELECT coalesce(sum(bytes_of({columns})), 0) FROM {table}").fetchone()[0]  # noqa: S608
    return found


def _bytes(value: object) -> int:
    match value:
        case int():
            return (value.bit_length() + 8) // 8
        case str():
            return len(value.encode())
        case bytes():
            return len(value)
    return 0


def memory(bench: Bench) -> list[Row]:
    """The most resident memory that any server of the rows before it had, beside an idle bare grpc.aio server.

    Named alone, it measures those rows first that bring the most.
    """
    if not bench.peaks:
        for measure in (ingest.stream, ingest.unary, ingest.webhook, reads.batch_get, lists.lists, watches.fan_out):
            measure(bench)
    row = Row("memory", "MB", Target(Kind.EXCESS, 150))
    row.ours.append(Sample(max(bench.peaks.values()) / _MB))
    with started(*bare("serving")) as idle:
        row.limit.append(Sample(peak_bytes(idle.pid) / _MB))
    row.details = {"peaks": {name: peak / _MB for name, peak in bench.peaks.items()}}
    return [row]
