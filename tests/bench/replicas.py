"""The rows of servers that share a PostgreSQL: durable, on a disk, with one to three of them."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from msgstate_server.store.postgres import PostgresUpkeep
from tests.bench.ceiling import BATCHES
from tests.bench.measuring import Figure, Row, Sample, load, run, serve, started
from tests.postgres.server import PostgresServer

_REPEATS: Final = 3
_EVENTS: Final = 100_000
_GETS: Final = 10_000
_POSTS: Final = 500
_PACE: Final = 50.0


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


def _ingest(replicas: int) -> Callable[[Path], Row]:
    def ingest(_: Path) -> Row:
        row = Row(f"replicas-{replicas}", [], [], 0.5)
        with _postgres() as server:
            for repeat in range(_REPEATS):
                ours, straight = (server.create_database(f"{kind}{repeat}") for kind in ("ours", "straight"))
                with ExitStack() as opened:
                    running = [opened.enter_context(started(*serve(ours))) for _ in range(replicas)]
                    addresses = ",".join(address for address, _ in running)
                    row.ours.append(load(addresses, running[0][1], "publish", _EVENTS, 4))
                PostgresUpkeep(straight).migrate()
                measured = run("straight_postgres", ours, straight)
                row.limit.append(Sample(_EVENTS / measured["seconds"], None, None))
                for name in ("ours", "straight"):
                    server.drop_database(f"{name}{repeat}")
        return row

    ingest.__doc__ = f"`PublishEvents` to {replicas} servers on one PostgreSQL, beside its rows written straight."
    return ingest


def get(folder: Path) -> Row:
    """`GetMessageStatus` at random, 16 at a time, beside the same from a SQLite file."""
    row = Row("shared-get", [], [], 0.2)
    with _postgres() as server:
        stores = (server.create_database("get"), folder / "shared-get.db")
        with started(*serve(stores[0])) as ours, started(*serve(stores[1])) as embedded:
            for address, pid in (ours, embedded):
                load(address, pid, "publish", _EVENTS, 4)
            for _ in range(_REPEATS):
                row.ours.append(load(*ours, "get", _GETS, 16, str(_EVENTS)))
                row.limit.append(load(*embedded, "get", _GETS, 16, str(_EVENTS)))
    return row


def catch_up(folder: Path) -> Row:
    """`WatchTransitions` from EARLIEST, beside the same from a SQLite file."""
    row = Row("shared-catch-up", [], [], 0.5)
    with _postgres() as server:
        stores = (server.create_database("catch_up"), folder / "shared-catch-up.db")
        with started(*serve(stores[0])) as ours, started(*serve(stores[1])) as embedded:
            for address, pid in (ours, embedded):
                load(address, pid, "publish", _EVENTS, 4)
            for _ in range(_REPEATS):
                for (address, _), samples in ((ours, row.ours), (embedded, row.limit)):
                    measured = run("catching_up", address, str(_EVENTS))
                    samples.append(Sample(_EVENTS / measured["seconds"], None, None))
    return row


def hop(_: Path) -> Figure:
    """From a webhook's POST to one server to a watch on another, 50 a second: the median of each repeat's median."""
    figure = Figure("hop", [], "ms", 25)
    with _postgres() as server:
        for repeat in range(_REPEATS):
            url = server.create_database(f"hop{repeat}")
            measured = run("hop", url, str(_POSTS), str(_PACE))
            figure.values.append(measured["p50"] * 1_000)
    return figure


def ceiling() -> str:
    """Events a second of eight writers, by the events in a commit and the time that a packet takes one way."""
    with _postgres() as server:
        found = run("ceiling", server.dsn())
    lines = ["| one way | " + " | ".join(f"{batch} a commit" for batch in BATCHES) + " |"]
    lines.append("| --- " * (len(BATCHES) + 1) + "|")
    for latency, rates in found.items():
        lines.append(f"| {latency} | " + " | ".join(f"{rate:,}" for rate in rates.values()) + " |")
    return "\n".join(lines)


ROWS: Final[dict[str, Callable[[Path], Row]]] = {
    **{f"replicas-{count}": _ingest(count) for count in (1, 2, 3)},
    "shared-get": get,
    "shared-catch-up": catch_up,
}
FIGURES: Final[dict[str, Callable[[Path], Figure]]] = {"hop": hop}
