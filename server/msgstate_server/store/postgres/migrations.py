"""Brings the schema up to date beside servers that run: what old and new versions can share first, the rest last.

A migration is named `NUMBER_pre_WHAT` or `NUMBER_post_WHAT`. A `pre` only adds, so that servers of the version before
go on beside it; `msgstate serve` applies those by itself. A `post` takes away or tightens, once no server of the
version before runs any more: `msgstate migrate --post` applies them. The numbers are those of every engine.
"""

from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Final, NamedTuple

import asyncpg

from msgstate_server.domain.errors import StoreUnusable
from msgstate_server.store.postgres.canonical_migration import make_identities_canonical
from msgstate_server.store.postgres.connection import Connection, pause

_TRIES: Final = 8
_CANONICAL_IDENTITY: Final = "0005_post_canonical_identity"
"""This version cannot run without it, so `serve` applies it too."""
_LOCK_SECONDS: Final = 1
"""How long a migration waits for a table: whoever reads or writes it waits as long behind it."""


class Migration(NamedTuple):
    """One change of the schema: its name, and the statements of it."""

    name: str
    script: str

    @property
    def is_post(self) -> bool:
        """Whether servers of the version before must have ended."""
        return is_post(self.name)


def is_post(name: str) -> bool:
    """Whether servers of the version before must have ended when a migration is applied."""
    return name.split("_")[1] == "post"


def is_optional(name: str) -> bool:
    """Whether this version runs without a migration."""
    return is_post(name) and name != _CANONICAL_IDENTITY


def _known() -> list[Migration]:
    folder = files("msgstate_server.store.postgres").joinpath("schema")
    scripts = sorted(folder.iterdir(), key=lambda file: file.name)
    return [Migration(file.name.removesuffix(".sql"), file.read_text(encoding="utf-8")) for file in scripts]


MIGRATIONS: Final[Sequence[Migration]] = _known()
"""All that this version knows, in order."""


async def migrate(
    connection: Connection,
    announce: Callable[[list[str]], None] | None = None,
    *,
    post: bool = False,
    known: Sequence[Migration] = MIGRATIONS,
) -> list[str]:
    """Apply the `pre` migrations that are missing, and with `post` those too; gives their names.

    One transaction, under a lock: of several servers that start at once one does it, and the others find it done.
    Raises `StoreUnusable` where a newer version has applied what this one cannot run with.
    """
    for tries in range(_TRIES):
        try:
            async with connection.transaction():
                return await _migrate(connection, announce, post, known)
        except (asyncpg.UniqueViolationError, asyncpg.DuplicateTableError, asyncpg.DuplicateSchemaError):
            # Two that make the very first table meet in PostgreSQL's own.
            await pause(tries)
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError, asyncpg.SerializationError):
            # What asks for a table waits behind its readers, and they behind it: not for long.
            await pause(tries + 4)
        except asyncpg.InsufficientPrivilegeError as error:
            raise StoreUnusable(
                f"store: {error}: let its user create and use the schema `msgstate`, or make it for that user with "
                "CREATE SCHEMA msgstate AUTHORIZATION"
            ) from error
    raise StoreUnusable("store: its tables are in use all the time: stop long queries on them, and try again")


async def _migrate(
    connection: Connection, announce: Callable[[list[str]], None] | None, post: bool, known: Sequence[Migration]
) -> list[str]:
    # Whoever migrates is waited for: it may rewrite every row.
    await connection.execute("SET LOCAL lock_timeout = 0")
    # The right to make it is asked for even where it is there.
    if not await connection.fetchval("SELECT to_regnamespace('msgstate') IS NOT NULL"):
        await connection.execute("CREATE SCHEMA msgstate")
    if not await connection.fetchval("SELECT to_regclass('msgstate.migration') IS NOT NULL"):
        await connection.execute("CREATE TABLE msgstate.migration (name text PRIMARY KEY, applied_time timestamptz)")
    # A row, whose lock lasts until the commit; its empty name is that of no migration.
    await connection.execute("INSERT INTO msgstate.migration VALUES ('', now()) ON CONFLICT DO NOTHING")
    await connection.execute("SELECT FROM msgstate.migration WHERE name = '' FOR UPDATE")
    missing = await _pending(connection, known)
    is_new = len(missing) == len(known)
    wanted = [each for each in missing if post or not is_optional(each.name)]
    if any(each.name == _CANONICAL_IDENTITY for each in wanted) and not is_new:
        await _require_no_older_server(connection)
    if announce and wanted and not is_new:
        announce([migration.name for migration in wanted])
    await connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_SECONDS}s'")
    for migration in wanted:
        await connection.execute(migration.script)
        if migration.name == _CANONICAL_IDENTITY:
            await make_identities_canonical(connection)
        await connection.execute("INSERT INTO msgstate.migration VALUES ($1, now())", migration.name)
    return [migration.name for migration in wanted]


async def _require_no_older_server(connection: Connection) -> None:
    """Refuse a migration that servers of older versions could not live with, while one is connected."""
    older = await connection.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'msgstate'"
    )
    if older:
        raise StoreUnusable(
            f"store: {_CANONICAL_IDENTITY} must run alone, and a server of an older msgstate is connected: stop all "
            "servers of the older version, then start this one, or run `msgstate migrate`"
        )


async def pending(connection: Connection, known: Sequence[Migration] = MIGRATIONS) -> list[str]:
    """The migrations that are missing, in order; raises `StoreUnusable` as `migrate` does. Nothing is changed."""
    if not await connection.fetchval("SELECT to_regclass('msgstate.migration') IS NOT NULL"):
        return [migration.name for migration in known]
    return [migration.name for migration in await _pending(connection, known)]


async def _pending(connection: Connection, known: Sequence[Migration]) -> list[Migration]:
    applied = {row["name"] for row in await connection.fetch("SELECT name FROM msgstate.migration WHERE name != ''")}
    unknown = sorted(applied.difference(migration.name for migration in known))
    newer = [name for name in unknown if is_post(name)]
    if newer:
        raise StoreUnusable(
            f"store: a newer msgstate has taken away what this version needs ({', '.join(newer)}): run that version or "
            "a later one, or restore a backup made before the upgrade"
        )
    return [migration for migration in known if migration.name not in applied]
