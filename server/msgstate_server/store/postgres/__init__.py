"""The shared engine: one PostgreSQL behind any number of servers, each of which writes and reads."""

from msgstate_server.store.postgres.audit import PostgresAuditor
from msgstate_server.store.postgres.copying import PostgresCopyable
from msgstate_server.store.postgres.engine import PostgresStore
from msgstate_server.store.postgres.upkeep import PostgresUpkeep

__all__ = ["PostgresAuditor", "PostgresCopyable", "PostgresStore", "PostgresUpkeep"]
