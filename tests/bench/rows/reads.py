"""The rows of what is asked, over a file of a million messages."""

from tests.bench.bench import Bench
from tests.bench.processes import bare, load, run, started
from tests.bench.result import Kind, Row, Sample, Target


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
