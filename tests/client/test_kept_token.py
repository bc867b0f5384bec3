"""A watching process that is killed and started again."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from msgstate import Client
from tests.acceptance.server_process import ServerProcess, wait_until
from tests.client.samples import event

ROOT = Path(__file__).parents[2]


@contextmanager
def watching(kind: str, address: str, folder: Path) -> Iterator[None]:
    """The watching program at work; on leaving it is killed."""
    command = [sys.executable, "-m", "tests.client.watching", kind, address, str(folder)]
    with subprocess.Popen(command, cwd=ROOT) as process:
        try:
            yield
        finally:
            process.kill()


def from_file(folder: Path) -> list[int]:
    """The positions that the program with a file handled; a line that the kill cut short was not."""
    path = folder / "seen"
    return [int(line) for line in path.read_text().splitlines()] if path.exists() else []


def from_database(folder: Path) -> list[int]:
    """The positions that the program with a database stored."""
    try:
        with sqlite3.connect(folder / "seen.db", timeout=10) as database:
            rows = database.execute("SELECT position FROM seen ORDER BY rowid").fetchall()
    except sqlite3.OperationalError:
        # The program has not made its tables yet.
        return []
    finally:
        database.close()
    return [position for (position,) in rows]


def lives(kind: str, server: ServerProcess, folder: Path, read: Callable[[Path], list[int]]) -> list[int]:
    """What the program saw of 400 transitions, killed four times."""
    with Client(server.grpc) as client:
        for life in range(1, 5):
            with watching(kind, server.grpc, folder):
                for number in range(100):
                    client.publish_batch([event(f"{life}-{number}")])
                wait_until(lambda: max(read(folder), default=0) >= 100 * life - 50, 30, "half of the rest is seen")  # noqa: B023
        with watching(kind, server.grpc, folder):
            wait_until(lambda: max(read(folder), default=0) == 400, 30, "the rest is seen")
    return read(folder)


def test_with_a_file_everything_is_handled_at_least_once(own_server: ServerProcess, tmp_path: Path) -> None:
    """A watch with its token in a file, killed and started again, misses nothing and repeats little."""
    seen = lives("file", own_server, tmp_path, from_file)

    assert set(range(1, 401)) == set(seen)
    assert len(seen) < 800


def test_with_a_transaction_everything_is_handled_exactly_once(own_server: ServerProcess, tmp_path: Path) -> None:
    """A watch whose token is stored with what was made of it, killed and started again, sees each once, in order."""
    assert list(range(1, 401)) == lives("transaction", own_server, tmp_path, from_database)
