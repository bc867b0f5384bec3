"""`make bench`: each row is our figure beside the limit that is measured in the same run, and their ratio.

Server and load are processes of their own; they share the machine's cores, so a ratio says more than a rate.
"""

import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from statistics import median

import pysqlite3.dbapi2 as sqlite

from tests.bench import replicas
from tests.bench.measuring import Figure, Row, Sample, load, run, serve, started

_REPEATS = 3
_EVENTS = 200_000
_MANY_EVENTS = 1_000_000
_WATCHERS = 1_000
_WATCHED_EVENTS = 20_000
_GETS = 20_000
_BATCH_GETS = 100_000


def publish(folder: Path) -> Row:
    """`PublishEvents`: batches of 500, four at a time, four events per message, durable."""
    return _written("publish", folder)


def stream(folder: Path) -> Row:
    """`StreamEvents`: the same batches over one stream."""
    return _written("stream", folder)


def _written(kind: str, folder: Path) -> Row:
    """The whole workload written, beside its rows written straight into SQLite."""
    row = Row(kind, [], [], 0.5)
    for repeat in range(_REPEATS):
        file = folder / f"{kind}-{repeat}.db"
        with started(*serve(file)) as (address, pid):
            row.ours.append(load(address, pid, kind, _EVENTS, 4))
        measured = run("straight_sqlite", str(file), str(folder / f"{kind}-straight-{repeat}.db"))
        row.limit.append(Sample(_EVENTS / measured["seconds"], None, None))
    return row


def get(folder: Path) -> Row:
    """`GetMessageStatus` at random over 50,000 messages, 16 at a time."""
    row = Row("get", [], [], 0.8)
    file = folder / "get.db"
    with started(*serve(file)) as (address, pid):
        load(address, pid, "publish", _EVENTS, 4)
        with started("-m", "tests.bench.bare_server", str(file)) as (bare_address, bare_pid):
            for _ in range(_REPEATS):
                row.ours.append(load(address, pid, "get", _GETS, 16, str(_EVENTS)))
                row.limit.append(load(bare_address, bare_pid, "get", _GETS, 16, str(_EVENTS)))
    return row


def batch_get(folder: Path) -> Row:
    """`BatchGetMessageStatuses` of 500 at random over 50,000 messages, two calls at a time; rates are of messages."""
    row = Row("batch-get", [], [], 0.6)
    file = folder / "batch-get.db"
    with started(*serve(file)) as (address, pid):
        load(address, pid, "publish", _EVENTS, 4)
        for _ in range(_REPEATS):
            row.ours.append(load(address, pid, "batch-get", _BATCH_GETS, 2, str(_EVENTS)))
            measured = run("straight_look_ups", str(file), str(_BATCH_GETS), str(_EVENTS))
            row.limit.append(Sample(_BATCH_GETS / measured["seconds"], None, None))
    return row


def narrow(folder: Path) -> Row:
    """`PublishEvents` beside 1,000 watchers of one other message each, and the same without them."""
    row = Row("narrow", [], [], 0.9)
    for repeat in range(_REPEATS):
        with (
            started(*serve(folder / f"narrow-{repeat}.db")) as (address, pid),
            started("-m", "tests.bench.narrow_watchers", address, str(_WATCHERS)),
        ):
            row.ours.append(load(address, pid, "publish", _EVENTS, 4))
        with started(*serve(folder / f"narrow-none-{repeat}.db")) as (address, pid):
            row.limit.append(load(address, pid, "publish", _EVENTS, 4))
    return row


def ready(folder: Path) -> Figure:
    """From the start to the ready line, after a SIGKILL amid writing with 1,000,000 events in the file."""
    file = folder / "ready.db"
    with started(*serve(file)) as (address, pid):
        writing = [sys.executable, "-m", "tests.bench.load", "stream", address, str(_MANY_EVENTS * 2), "1"]
        with subprocess.Popen(writing, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as load_process:
            while _position(file) < _MANY_EVENTS:
                time.sleep(0.1)
            os.kill(pid, signal.SIGKILL)
            load_process.wait()
    figure = Figure("ready", [], "s", 3)
    for repeat in range(_REPEATS):
        killed = folder / f"ready-{repeat}.db"
        for suffix in ("", "-wal"):
            shutil.copyfile(f"{file}{suffix}", f"{killed}{suffix}")
        begun = time.perf_counter()
        with started(*serve(killed)):
            figure.values.append(time.perf_counter() - begun)
    return figure


def stalled(_: Path) -> Figure:
    """Resident memory of the server for each watcher that never reads: 500 of 1,000, while the others read all."""
    return _stalled("stalled", "equal")


def stalled_distinct(_: Path) -> Figure:
    """The same where each of the 500 has another filter, which matches everything."""
    return _stalled("stalled-distinct", "distinct")


def stalled_large(_: Path) -> Figure:
    """The same where each of these filters is as large as it may be: three full lists, of 64 KiB in all."""
    return _stalled("stalled-large", "large")


def _stalled(name: str, filters: str) -> Figure:
    measured = run("stalled_watchers", "live", filters, str(_WATCHERS), str(_WATCHED_EVENTS))
    return Figure(name, [measured["per_stalled"] / 1024], "KiB", 256)


def costly(_: Path) -> Figure:
    """Processor time for the costliest of the largest webhook bodies that are made to take long."""
    return Figure("costly", [run("costly_bodies")["seconds"] for _ in range(_REPEATS)], "s", 1)


def _position(file: Path) -> int:
    """Where the log of a file that is served stands."""
    with closing(sqlite.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        position: int = connection.execute("SELECT position FROM head").fetchone()[0]
    return position


ROWS: dict[str, Callable[[Path], Row]] = {
    "publish": publish,
    "stream": stream,
    "get": get,
    "batch-get": batch_get,
    "narrow": narrow,
    **replicas.ROWS,
}
FIGURES: dict[str, Callable[[Path], Figure]] = {
    "ready": ready,
    "stalled": stalled,
    "stalled-distinct": stalled_distinct,
    "stalled-large": stalled_large,
    "costly": costly,
    **replicas.FIGURES,
}


TABLES: dict[str, Callable[[], str]] = {"ceiling": replicas.ceiling}
"""Each measured on its own, and only where it is named."""


def _figure_line(figure: Figure) -> str:
    unit, values = figure.unit, figure.values
    return (
        f"{figure.name:<16} {median(values):>10.2f} {unit:<4} {min(values):>10.2f} to {max(values):.2f} {unit};"
        f" at most {figure.bound:g} {unit}{', EXCEEDED' if median(values) > figure.bound else ''}"
    )


def _line(row: Row) -> str:
    ours, limit = (median(sample.rate for sample in samples) for samples in (row.ours, row.limit))
    spread = max(sample.rate for sample in row.ours) / min(sample.rate for sample in row.ours) - 1
    cpu = median(sample.cpu or 0 for sample in row.ours)
    latencies = [sample.p99 * 1000 for sample in row.ours if sample.p99 is not None]
    p99 = f"{median(latencies):.1f} ms" if latencies else "-"
    return (
        f"{row.name:<16} {ours:>10,.0f}/s {limit:>10,.0f}/s {row.ratio:>7.2f} {row.target:>7.2f}"
        f" {spread:>7.0%} {p99:>11} {cpu:>8.1f} ms"
    )


def main() -> None:
    """Measure the rows that are named, or all."""
    wanted = sys.argv[1:] or [*ROWS, *FIGURES]
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {_REPEATS} repeats")  # noqa: T201
    print("row                    ours        limit   ratio  target  spread      p99   CPU per 1,000")  # noqa: T201
    with tempfile.TemporaryDirectory() as folder:
        for name in wanted:
            if name in TABLES:
                print(TABLES[name](), flush=True)  # noqa: T201
                continue
            is_row = name in ROWS
            line = _line(ROWS[name](Path(folder))) if is_row else _figure_line(FIGURES[name](Path(folder)))
            print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
