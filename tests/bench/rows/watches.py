"""The rows of what is told: the log from its beginning, and what happens now."""

from tests.bench.bench import Bench
from tests.bench.processes import bare, load, run, started
from tests.bench.result import Kind, Row, Sample, Target

_FAN_OUT: int = 500
_PACE: int = 20
_POSTS_A_SECOND: int = 500


def catch_up(bench: Bench) -> list[Row]:
    """`WatchTransitions` from EARLIEST over 1,000,000 transitions, beside a bare server that has them as tuples."""
    row = Row("catch-up", "/s", Target(Kind.RATE, 0.5, 0.8))
    count = bench.sizes.messages
    limit = bare("bare_server", "transitions", str(bench.filled), str(count))
    with bench.server(bench.filled) as server, started(*limit) as straight:
        for _ in range(bench.sizes.repeats):
            row.ours.append(load(server.grpc, server.pid, "catch-up", count, 1))
            row.limit.append(load(straight.grpc, straight.pid, "catch-up", count, 1))
    return [row]


def fan_out(bench: Bench) -> list[Row]:
    """500 live watchers without a filter, 20 transitions a second: p99 from the commit to the receipt.

    The limit is a bare server that sends each the same bytes.
    """
    row = Row("fan-out", "ms", Target(Kind.COST, 2, 1.3, bound=100))
    arguments = [str(number) for number in (bench.sizes.watchers // 2, bench.sizes.transitions, _PACE)]
    for repeat in range(bench.sizes.repeats):
        with bench.server(bench.folder / f"fan-out-{repeat}.db") as server:
            row.ours.append(Sample(1_000 * run("loads.fan_out", server.grpc, *arguments)["p99"]))
        with started(*bare("bare_server", "broadcast")) as straight:
            row.limit.append(Sample(1_000 * run("loads.fan_out", straight.grpc, *arguments)["p99"]))
    return [row]


def end_to_end(bench: Bench) -> list[Row]:
    """From a webhook's POST to a watcher, at 500 a second: p50 and p99."""
    rows = [Row("end-to-end p50", "ms", Target(Kind.BOUND, 10)), Row("end-to-end p99", "ms", Target(Kind.BOUND, 50))]
    for repeat in range(bench.sizes.repeats):
        with bench.server(bench.folder / f"end-to-end-{repeat}.db") as server:
            measured = run("loads.end_to_end", server.http, server.grpc, str(bench.sizes.posts), str(_POSTS_A_SECOND))
        for row, name in zip(rows, ("p50", "p99"), strict=True):
            row.ours.append(Sample(1_000 * measured[name]))
    return rows
