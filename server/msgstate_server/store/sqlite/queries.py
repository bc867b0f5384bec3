"""The engine's statements, and the ways in which most of them are run."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import structlog

from msgstate_server.domain.errors import StoreUnavailable
from msgstate_server.domain.log import Head
from msgstate_server.store.hashing import Hashes
from msgstate_server.store.sql import statements

if TYPE_CHECKING:
    import sqlite3 as sqlite
else:
    import pysqlite3.dbapi2 as sqlite

SQL: Final = statements("msgstate_server.store.sqlite", "queries.sql")
BEYOND_ALL: Final = 2**63 - 1
"""Where a list that goes down begins."""
_HEAD_TYPES: Final = (bytes, int, int, bytes, int, bytes, int)

_DAMAGED: Final = "stop the server and restore a backup: the file is damaged"
_DISK: Final = "see what the system says of the disk, its room, and the limits of this process"
_UNKNOWN: Final = "stop the server and run `msgstate check`: where anything disagrees, restore a backup"
_MENDS: Final = {
    "SQLITE_FULL": "make room on its disk",
    "SQLITE_READONLY": "let this user write the file, on a disk that can be written",
    "SQLITE_IOERR": _DISK,
    "SQLITE_CANTOPEN": _DISK,
    "SQLITE_BUSY": "end the other program that writes to the file",
    "SQLITE_CORRUPT": _DAMAGED,
    "SQLITE_NOTADB": _DAMAGED,
}
"""What to do, by how the driver's name of the error begins."""

_log = structlog.get_logger("msgstate.store")


def read_head(connection: sqlite.Connection) -> Head:
    """Where the log stands in what this connection sees."""
    row = connection.execute(SQL["read_head"]).fetchone()
    if row is None:
        raise sqlite.DatabaseError("the head is gone")
    if tuple(map(type, row)) != _HEAD_TYPES:
        raise sqlite.DatabaseError("the head is malformed")
    return Head(*row)


def read_hash_key(connection: sqlite.Connection) -> bytes:
    """The secret that keys the hashes of this store."""
    row = connection.execute(SQL["read_hash_key"]).fetchone()
    if row is None or not isinstance(row[0], bytes):
        raise sqlite.DatabaseError("the head is gone")
    return row[0]


def read_hashes(connection: sqlite.Connection) -> Hashes:
    """The hash functions of this store."""
    return Hashes(read_hash_key(connection))


@contextmanager
def one_view(connection: sqlite.Connection) -> Iterator[None]:
    """All that is read within is of one moment; nothing is written."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")


def fetch_json(connection: sqlite.Connection, name: str, values: tuple[object, ...]) -> str:
    """The JSON array that a statement gives; an empty one where it found no row."""
    found: str | None = connection.execute(SQL[name], values).fetchone()[0]
    return found or "[]"


def log_migrations(names: list[str]) -> None:
    """Tell who waits for a start what it does: a migration may rewrite every row."""
    _log.info("migrating the database", migrations=names)


def is_io_error(error: sqlite.DatabaseError) -> bool:
    """Whether the database is at fault, or its disk; not what was asked of it, which is a fault of ours."""
    # A damaged file is the base class itself.
    return isinstance(error, sqlite.OperationalError) or type(error) is sqlite.DatabaseError


def unavailable(done: str, error: sqlite.DatabaseError) -> StoreUnavailable:
    """What callers are told; what the driver says is for the log alone, with what to do."""
    name = getattr(error, "sqlite_errorname", "")
    mend = next((mend for prefix, mend in _MENDS.items() if name.startswith(prefix)), _UNKNOWN)
    _log.error(f"the database cannot be {done}", error=str(error), kind=name, mend=mend)
    return StoreUnavailable(f"the database cannot be {done} now; try the same again later")
