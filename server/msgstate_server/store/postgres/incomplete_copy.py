"""Tells the copy that is not finished from a store."""

from msgstate_server.domain.errors import StoreUnusable
from msgstate_server.store.copyable import UNFINISHED
from msgstate_server.store.postgres.connection import Connection
from msgstate_server.store.postgres.queries import SQL


async def is_incomplete_copy(connection: Connection) -> bool:
    """Whether `msgstate copy` has begun to make this database, and not finished."""
    found: bool = await connection.fetchval(SQL["find_unfinished"])
    return found


async def require_finished(connection: Connection) -> None:
    """Refuse to take an unfinished copy for a store."""
    if await is_incomplete_copy(connection):
        raise StoreUnusable(f"store: the database {UNFINISHED}")
