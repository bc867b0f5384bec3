"""`msgstate serve` on a recorded disk: `power_server.py CONFIG DATABASE TRACE FAULT SYNCHRONOUS PAGES RETENTION`.

The write-ahead log is checkpointed every few PAGES; SYNCHRONOUS is FULL, or what a test must catch. Where RETENTION is
`short`, what is old is deleted within moments, in small steps.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgstate_server import app
from msgstate_server.__main__ import main
from msgstate_server.retention import Periods, Retention
from msgstate_server.store.protocol import Store
from msgstate_server.store.sqlite import engine
from msgstate_server.store.sqlite.connection import open_for_writing
from tests.robustness.power_disk import Disk

if TYPE_CHECKING:
    import sqlite3 as sqlite
else:
    import pysqlite3.dbapi2 as sqlite

LOG_SECONDS: Final = 0.3
STATUS_SECONDS: Final = 1.0
BODY_SECONDS: Final = 0.5
"""How long events, statuses and bodies are kept."""
_PERIODS: Final = Periods(*(int(1_000_000 * seconds) for seconds in (LOG_SECONDS, STATUS_SECONDS, BODY_SECONDS)))
_SWEEP_SECONDS: Final = 0.1
_ROWS: Final = 20


def _retention(store: Store, _: Periods, clock: Callable[[], int], *__: object) -> Retention:
    return Retention(store, _PERIODS, clock, _SWEEP_SECONDS, _ROWS)


def _opener(synchronous: str, pages: int) -> Callable[..., sqlite.Connection]:
    def opened(path: Path, announce: Callable[[list[str]], None] | None = None) -> sqlite.Connection:
        connection = open_for_writing(path, announce)
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {pages}")
        return connection

    return opened


if __name__ == "__main__":
    config, database, trace, fault, synchronous, pages, retention = sys.argv[1:]
    # SQLite calls into it until the process ends.
    disk = Disk(Path(trace), Path(fault))
    disk.install(Path(database))
    if retention == "short":
        setattr(app, "Retention", _retention)  # noqa: B010  (it is imported there)
    setattr(engine, "open_for_writing", _opener(synchronous, int(pages)))  # noqa: B010  (it is imported there)
    sys.argv = ["msgstate", "serve", "--config", config]
    main()
