"""A connection that reads in a thread of its own, so that a long read holds up no event loop and no other reader."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from msgstate_server.domain.errors import StoreUnavailable
from msgstate_server.store.sqlite.connection import open_for_reading
from msgstate_server.store.sqlite.queries import is_io_error, unavailable

if TYPE_CHECKING:
    import sqlite3 as sqlite
else:
    import pysqlite3.dbapi2 as sqlite

_INTERRUPT_SECONDS: Final = 0.02

_T = TypeVar("_T")


def close_behind(thread: ThreadPoolExecutor, connection: sqlite.Connection) -> None:
    """Break off what the thread does on the connection, and close it: closed under a statement it could crash."""
    connection.interrupt()
    idle = thread.submit(int)
    # An interruption between two statements reaches neither.
    while not wait([idle], _INTERRUPT_SECONDS).done:
        connection.interrupt()
    thread.shutdown()
    connection.close()


class Reader:
    """Runs one read at a time, in the order in which they are asked for."""

    def __init__(self, path: Path, name: str) -> None:
        """Open the file; raises `StoreUnusable`."""
        self._connection = open_for_reading(path)
        self._thread = ThreadPoolExecutor(1, name)
        self._closing = False

    async def run(self, read: Callable[[sqlite.Connection], _T]) -> _T:
        """What `read` finds; raises `StoreUnavailable`."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, read)

    def _run(self, read: Callable[[sqlite.Connection], _T]) -> _T:
        try:
            if not self._closing:
                return read(self._connection)
        except sqlite.DatabaseError as error:
            if not is_io_error(error):
                raise
            if not self._closing:
                raise unavailable("read", error) from error
        raise StoreUnavailable("the database is closed; try the same again later")

    def close(self) -> None:
        """Break off what runs and refuse what waits: neither is waited for."""
        self._closing = True
        close_behind(self._thread, self._connection)
