"""What all rows share: where they work, how much they do, the file of a million messages, and the peaks of memory."""

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple

import pysqlite3.dbapi2 as sqlite

from tests.bench.processes import Server, peak_bytes, run, serve, started

_TIMES: Final = 10
"""The store takes in one part of the messages; the other parts are written as copies of it."""


class Sizes(NamedTuple):
    """How much each row does; the tests do little."""

    repeats: int = 3
    events: int = 200_000
    calls: int = 20_000
    keys: int = 100_000
    messages: int = 1_000_000
    watchers: int = 1_000
    shared_events: int = 100_000
    """Written to a PostgreSQL."""
    page: int = 50
    far_page: int = 1_000
    starts: int = 5
    grown_messages: int = 100_000
    """Of the smaller store; the larger one has a hundred times as many."""
    transitions: int = 100
    posts: int = 3_000
    paced_calls: int = 800
    watched_events: int = 10_000
    """Written while half of the watchers never read."""


class Bench:
    """One run of the bench."""

    def __init__(self, folder: Path, sizes: Sizes) -> None:
        """Work in an empty folder."""
        self.folder = folder
        self.sizes = sizes
        self.peaks: dict[str, int] = {}
        """The most memory that a server on each store took, in bytes."""

    @cached_property
    def filled(self) -> Path:
        """A file of so many messages, each with one event; it is read, and not written."""
        file = self.folder / "filled.db"
        run("loads.fill", str(file), str(self.sizes.messages // _TIMES), "1", str(_TIMES))
        return file

    def copy_of_filled(self, name: str) -> Path:
        """The same to write into."""
        return Path(shutil.copyfile(self.filled, self.folder / name))

    @contextmanager
    def server(self, store: Path) -> Iterator[Server]:
        """A server on a file, until the block ends."""
        with started(*serve(store)) as server:
            yield server
            self.peaks[store.name] = max(self.peaks.get(store.name, 0), peak_bytes(server.pid))


def position(file: Path) -> int:
    """Where the log of a file that is served stands."""
    with closing(sqlite.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        found: int = connection.execute("SELECT position FROM head").fetchone()[0]
    return found
