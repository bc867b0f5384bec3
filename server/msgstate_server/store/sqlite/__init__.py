"""The embedded engine: SQLite in one file, written by one server."""

from msgstate_server.store.sqlite.audit import SqliteAuditor
from msgstate_server.store.sqlite.copying import SqliteCopyable
from msgstate_server.store.sqlite.engine import SqliteStore
from msgstate_server.store.sqlite.upkeep import SqliteUpkeep

__all__ = ["SqliteAuditor", "SqliteCopyable", "SqliteStore", "SqliteUpkeep"]
