import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from typing import TYPE_CHECKING

import pytest

from msgstate_server.store.sqlite import SqliteStore
from tests.builders import Clock

if TYPE_CHECKING:
    import sqlite3 as sqlite
else:
    import pysqlite3.dbapi2 as sqlite

SERVER = """
import asyncio, sys
from pathlib import Path
from msgstate_server.domain.errors import StoreUnusable
from msgstate_server.store.sqlite import SqliteStore
from tests.builders import append, numbered

async def main():
    print("loaded", flush=True)
    sys.stdin.readline()
    store = await SqliteStore.open(Path(sys.argv[1]))
    for first in range(0, int(sys.argv[2]), 10):
        await append(store, *numbered(10, messages=7, first=first))
    print("open", flush=True)
    sys.stdin.readline()
    await store.close()

try:
    asyncio.run(main())
except StoreUnusable as error:
    print(error, flush=True)
"""
"""A server's store in a process of its own: opens at the first line that it reads, closes at the second."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "msgstate.db"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(path: Path, clock: Clock) -> AsyncIterator[SqliteStore]:
    store = await SqliteStore.open(path, clock)
    yield store
    await store.close()


@contextmanager
def connected(path: Path) -> Iterator[sqlite.Connection]:
    """A plain connection, past everything that msgstate watches over."""
    connection = sqlite.connect(path, isolation_level=None, timeout=10)
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def server_process(path: Path, events: int = 0) -> Iterator["Popen[str]"]:
    """The process, ready to open; it writes so many events before it says that it is open."""
    command = [sys.executable, "-c", SERVER, str(path), str(events)]
    with Popen(command, stdin=PIPE, stdout=PIPE, text=True, cwd=Path(__file__).parents[3]) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "loaded\n"
            yield process
        finally:
            process.kill()


def tell(process: "Popen[str]") -> None:
    """Let the process go on."""
    assert process.stdin
    process.stdin.write("\n")
    process.stdin.flush()


def heard(process: "Popen[str]") -> str:
    """The next line that the process prints."""
    assert process.stdout
    return process.stdout.readline().rstrip("\n")
