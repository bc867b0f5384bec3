"""`msgstate serve` on a recorded disk: `power_server.py CONFIG DATABASE TRACE FAULT SYNCHRONOUS PAGES`.

The write-ahead log is checkpointed every few PAGES; SYNCHRONOUS is FULL, or what a test must catch.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from msgstate_server.__main__ import main
from msgstate_server.store.sqlite import engine
from msgstate_server.store.sqlite.connection import open_for_writing
from tests.robustness.power_disk import Disk

if TYPE_CHECKING:
    import sqlite3 as sqlite
else:
    import pysqlite3.dbapi2 as sqlite


def _opener(synchronous: str, pages: int) -> Callable[..., sqlite.Connection]:
    def opened(path: Path, announce: Callable[[list[str]], None] | None = None) -> sqlite.Connection:
        connection = open_for_writing(path, announce)
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {pages}")
        return connection

    return opened


if __name__ == "__main__":
    config, database, trace, fault, synchronous, pages = sys.argv[1:]
    # SQLite calls into it until the process ends.
    disk = Disk(Path(trace), Path(fault))
    disk.install(Path(database))
    setattr(engine, "open_for_writing", _opener(synchronous, int(pages)))  # noqa: B010  (it is imported there)
    sys.argv = ["msgstate", "serve", "--config", config]
    main()
