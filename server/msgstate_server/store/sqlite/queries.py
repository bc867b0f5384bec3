"""The engine's statements, and the ways in which most of them are run."""

from typing import TYPE_CHECKING, Final

import structlog

from msgstate_server.domain.errors import StoreUnavailable
from msgstate_server.domain.log import Head
from msgstate_server.store.sqlite.sql import statements

if TYPE_CHECKING:
    import sqlite3 as sqlite
else:
    import pysqlite3.dbapi2 as sqlite

SQL: Final = statements("queries.sql")
BEYOND_ALL: Final = 2**63 - 1
"""Where a list that goes down begins."""

_log = structlog.get_logger("msgstate.store")


def read_head(connection: sqlite.Connection) -> Head:
    """Where the log stands in what this connection sees."""
    row = connection.execute(SQL["read_head"]).fetchone()
    if row is None:
        raise sqlite.DatabaseError("the head is gone")
    return Head(*row)


def fetch_json(connection: sqlite.Connection, name: str, values: tuple[object, ...]) -> str:
    """The JSON array that a statement gives; an empty one where it found no row."""
    found: str | None = connection.execute(SQL[name], values).fetchone()[0]
    return found or "[]"


def log_migrations(names: list[str]) -> None:
    """Tell who waits for a start what it does: a migration may rewrite every row."""
    _log.info("migrating the database", migrations=names)


def unavailable(done: str, error: sqlite.OperationalError) -> StoreUnavailable:
    """What callers are told; what the driver says is for the log alone."""
    _log.error(f"the database cannot be {done}", error=str(error))
    return StoreUnavailable(f"the database cannot be {done} now; try the same again later")
