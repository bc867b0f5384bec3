"""The rows of what is asked, over a file of a million messages."""

import time
from statistics import median
from typing import Final

from tests.bench.bench import Bench, position
from tests.bench.processes import Server, bare, load, run, started
from tests.bench.result import Kind, Row, Sample, Target
from tests.bench.rows.ingest import streamed

_PACE: Final = 200
_NEARLY: Final = 0.9


def get(bench: Bench) -> list[Row]:
    """`GetMessageStatus` at random over 1,000,000 messages, 16 at a time."""
    row = Row("get", "/s", Target(Kind.RATE, 0.8, 0.95))
    calls, messages = bench.sizes.calls, str(bench.sizes.messages)
    limit = bare("bare_server", "get", str(bench.filled), str(calls), messages)
    with bench.server(bench.filled) as server, started(*limit) as straight:
        for _ in range(bench.sizes.repeats):
            row.ours.append(load(server.grpc, server.pid, "get", calls, 16, messages))
            row.limit.append(load(straight.grpc, straight.pid, "get", calls, 16, messages))
    return [row]


def batch_get(bench: Bench) -> list[Row]:
    """`BatchGetMessageStatuses` of 500 at random over 1,000,000 messages, two at a time; rates are of messages."""
    row = Row("batch-get", "/s", Target(Kind.RATE, 0.6, 0.8))
    keys, messages = bench.sizes.keys, str(bench.sizes.messages)
    with bench.server(bench.filled) as server:
        for _ in range(bench.sizes.repeats):
            row.ours.append(load(server.grpc, server.pid, "batch-get", keys, 2, messages))
            measured = run("limits.straight_look_ups", str(bench.filled), str(keys), messages)
            row.limit.append(Sample(keys / measured["seconds"]))
    return [row]


def mixed(bench: Bench) -> list[Row]:
    """p99 of `GetMessageStatus`, 200 a second, while events are streamed at half the rate of `ingest-stream`.

    The limit is the same without. Every call has its moment, whatever became of those before.
    """
    row = Row("mixed", "ms", Target(Kind.COST, 5, 2))
    samples, _ = streamed(bench)
    half = median(sample.value for sample in samples) / 2
    file = bench.copy_of_filled("mixed.db")

    def look_up(server: Server) -> Sample:
        arguments = (str(_PACE), str(bench.sizes.paced_calls), str(bench.sizes.messages))
        return Sample(1_000 * run("loads.paced", "get", server.grpc, *arguments)["p99"])

    with bench.server(file) as server:
        row.limit = [look_up(server) for _ in range(bench.sizes.repeats)]
        with started("-m", "tests.bench.loads.paced", "stream", server.grpc, str(half)):
            before, began = position(file), time.perf_counter()
            row.ours = [look_up(server) for _ in range(bench.sizes.repeats)]
            written = (position(file) - before) / (time.perf_counter() - began)
    row.details = {"wanted events/s": half, "written events/s": written}
    if written < half * _NEARLY:
        row.void = f"{written:,.0f} events/s were written beside, of {half:,.0f}"
    return [row]
