"""The rows of servers that share a PostgreSQL: durable, on a disk, with one to three of them."""

import math
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from msgstate_server.store.postgres import PostgresUpkeep
from tests.bench.bench import Bench
from tests.bench.processes import Server, load, run, serve, started
from tests.bench.result import Kind, Row, Sample, Target
from tests.bench.workload import messages
from tests.postgres.server import PostgresServer

_PACE: Final = 50


@contextmanager
def _postgres() -> Iterator[PostgresServer]:
    """A server that keeps what it acknowledged through a power cut, as one in use does."""
    with tempfile.TemporaryDirectory() as folder:
        # Where the bench runs as root, the server is another user.
        Path(folder).chmod(0o755)
        place = Path(folder) / "postgres"
        place.mkdir(mode=0o777)
        place.chmod(0o777)
        with PostgresServer(
            place=place, fsync="on", full_page_writes="on", shared_buffers="512MB", max_wal_size="4GB"
        ) as server:
            yield server


def _ingest(replicas: int) -> Callable[[Bench], list[Row]]:
    def ingest(bench: Bench) -> list[Row]:
        row = Row(f"replicas-{replicas}", "/s", Target(Kind.RATE, 0.5))
        events = bench.sizes.shared_events
        with _postgres() as server:
            for repeat in range(bench.sizes.repeats):
                ours = server.create_database(f"ours{repeat}")
                with ExitStack() as opened:
                    running = [opened.enter_context(started(*serve(ours))) for _ in range(replicas)]
                    addresses = ",".join(each.grpc for each in running)
                    row.ours.append(load(addresses, [each.pid for each in running], "publish", events, 4))
            straight = [server.create_database(f"straight{repeat}") for repeat in range(bench.sizes.repeats)]
            for url in straight:
                PostgresUpkeep(url).migrate()
            measured = run("limits.straight_postgres", ours, *straight)
            row.limit = [Sample(events / seconds) for seconds in measured["seconds"]]
        return [row]

    ingest.__doc__ = f"`PublishEvents` to {replicas} servers on one PostgreSQL, beside its rows written straight."
    return ingest


@contextmanager
def _both_filled(bench: Bench, name: str) -> Iterator[tuple[Server, Server]]:
    """A server on PostgreSQL and one on a SQLite file, with the same events."""
    with _postgres() as server:
        stores = (server.create_database("filled"), bench.folder / f"{name}.db")
        with started(*serve(stores[0])) as ours, started(*serve(stores[1])) as embedded:
            for each in (ours, embedded):
                load(each.grpc, each.pid, "publish", bench.sizes.shared_events, 4)
            yield ours, embedded


def get(bench: Bench) -> list[Row]:
    """`GetMessageStatus` at random, 16 at a time, beside the same from a SQLite file."""
    row = Row("shared-get", "/s", Target(Kind.RATE, 0.2))
    calls, known = bench.sizes.calls // 2, str(messages(bench.sizes.shared_events))
    with _both_filled(bench, row.name) as (ours, embedded):
        for _ in range(bench.sizes.repeats):
            row.ours.append(load(ours.grpc, ours.pid, "get", calls, 16, known))
            row.limit.append(load(embedded.grpc, embedded.pid, "get", calls, 16, known))
    return [row]


def catch_up(bench: Bench) -> list[Row]:
    """`WatchTransitions` from EARLIEST, beside the same from a SQLite file."""
    row = Row("shared-catch-up", "/s", Target(Kind.RATE, 0.5))
    events = bench.sizes.shared_events
    with _both_filled(bench, row.name) as (ours, embedded):
        for _ in range(bench.sizes.repeats):
            row.ours.append(load(ours.grpc, ours.pid, "catch-up", events, 1))
            row.limit.append(load(embedded.grpc, embedded.pid, "catch-up", events, 1))
    return [row]


def hop(bench: Bench) -> list[Row]:
    """From a webhook's POST to one server to a watch on another, 50 a second: the median of each repeat's median."""
    row = Row("hop", "ms", Target(Kind.BOUND, 25))
    with _postgres() as server:
        for repeat in range(bench.sizes.repeats):
            url = server.create_database(f"hop{repeat}")
            with started(*serve(url)) as posted, started(*serve(url)) as watched:
                measured = run("loads.end_to_end", posted.http, watched.grpc, str(bench.sizes.posts // 12), str(_PACE))
            row.ours.append(Sample(measured["p50"] * 1_000))
    return [row]


def ceiling(_: Bench) -> list[Row]:
    """Events a second of eight writers, by the events in a commit and the time that a packet takes one way."""
    with _postgres() as server:
        found = run("loads.ceiling", server.dsn())
    return [
        Row(f"{latency}, {batch} a commit", "/s", Target(Kind.BOUND, math.inf), [Sample(rate)])
        for latency, rates in found.items()
        for batch, rate in rates.items()
    ]


ROWS: Final = {
    **{f"replicas-{count}": _ingest(count) for count in (1, 2, 3)},
    "shared-get": get,
    "shared-catch-up": catch_up,
    "hop": hop,
}
