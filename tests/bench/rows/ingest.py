"""The rows of events that come in over gRPC, each beside what the same events cost without msgstate."""

from functools import cache, partial
from pathlib import Path
from typing import Final

from tests.bench.bench import Bench
from tests.bench.processes import bare, load, run, started
from tests.bench.result import Kind, Row, Sample, Target

_VOID_BELOW: Final = 60_000.0
"""Events a second that straight SQLite must reach: on a machine that does not let it, ratios mean nothing."""
_CALLERS: Final = 64
_LITERAL_PART: Final = 100
"""One in so many of the events go into the straight reading, which would take minutes for all; four per message too."""


@cache
def streamed(bench: Bench) -> tuple[list[Sample], Path]:
    """`StreamEvents`, batches of 500, four events per message spread over 3,000 messages, durable; and its file."""
    return _written(bench, "stream")


def _written(bench: Bench, kind: str) -> tuple[list[Sample], Path]:
    """The whole workload written, each time into a new file, and the last one."""
    samples = []
    for repeat in range(bench.sizes.repeats):
        file = bench.folder / f"{kind}-{repeat}.db"
        with bench.server(file) as server:
            samples.append(load(server.grpc, server.pid, kind, bench.sizes.events, 4))
    return samples, file


@cache
def _straight(bench: Bench) -> list[Sample]:
    """The rows of that file, written straight into SQLite."""
    _, file = streamed(bench)
    measured = run("limits.straight_sqlite", str(file), str(bench.folder), str(bench.sizes.repeats))
    return [Sample(bench.sizes.events / seconds) for seconds in measured["seconds"]]


def stream(bench: Bench) -> list[Row]:
    """`StreamEvents` beside its rows written straight into SQLite."""
    samples, _ = streamed(bench)
    return [_beside_sqlite(bench, Row("ingest-stream", "/s", Target(Kind.RATE, 0.5, 0.8), samples))]


def publish(bench: Bench) -> list[Row]:
    """`PublishEvents`: the same batches, four at a time."""
    samples, _ = _written(bench, "publish")
    return [_beside_sqlite(bench, Row("publish", "/s", Target(Kind.RATE, 0.5), samples))]


def _beside_sqlite(bench: Bench, row: Row) -> Row:
    row.limit = _straight(bench)
    if (straight := row.limit_figure) is not None and straight < _VOID_BELOW:
        row.void = f"straight SQLite wrote {straight:,.0f} events/s, and must write {_VOID_BELOW:,.0f}"
    return row


def literal(bench: Bench) -> list[Row]:
    """`StreamEvents` beside the straight reading of the task: unary calls, a `Machine` each, sqlite-utils upserts."""
    samples, _ = streamed(bench)
    row = Row("ingest-literal", "/s", Target(Kind.RATE, 60, 100), samples)
    few = max(1, bench.sizes.events // _LITERAL_PART)
    spread = str(max(1, few // 4))
    for repeat in range(bench.sizes.repeats):
        with started(*bare("literal", str(bench.folder / f"literal-{repeat}.db"))) as straight:
            row.limit.append(load(straight.grpc, straight.pid, "unary", few, _CALLERS, spread))
    return [row]


def unary(bench: Bench) -> list[Row]:
    """`PublishEvents` by 64 callers, one event a call, durable."""
    row = Row("ingest-unary", "/s", Target(Kind.RATE, 0.6, 0.8))
    return [_beside_empty(bench, row, "unary", bare("bare_server", "empty"))]


def webhook(bench: Bench) -> list[Row]:
    """One event a POST over 64 connections, credentials checked, durable, raw body kept."""
    row = Row("webhook", "/s", Target(Kind.RATE, 0.5, 0.7))
    return [_beside_empty(bench, row, "webhook", bare("empty_webhook"))]


def _beside_empty(bench: Bench, row: Row, kind: str, empty: tuple[str, ...]) -> Row:
    """One event a call, beside the same calls to a handler that does nothing."""
    for repeat in range(bench.sizes.repeats):
        with bench.server(bench.folder / f"{row.name}-{repeat}.db") as server, started(*empty) as limit:
            for each, samples in ((server, row.ours), (limit, row.limit)):
                address = each.http if kind == "webhook" else each.grpc
                samples.append(load(address, each.pid, kind, bench.sizes.calls, _CALLERS))
    return row


def narrow(bench: Bench) -> list[Row]:
    """`PublishEvents` beside 1,000 watchers of one other message each, and the same without them."""
    row = Row("narrow", "/s", Target(Kind.RATE, 0.9, 0.97))
    for repeat in range(bench.sizes.repeats):
        put = partial(load, kind="publish", count=bench.sizes.events, in_flight=4)
        with (
            bench.server(bench.folder / f"narrow-{repeat}.db") as server,
            started("-m", "tests.bench.loads.narrow_watchers", server.grpc, str(bench.sizes.watchers)),
        ):
            row.ours.append(put(server.grpc, server.pid))
        with bench.server(bench.folder / f"narrow-none-{repeat}.db") as server:
            row.limit.append(put(server.grpc, server.pid))
    return [row]
