"""The part of migration 5 that SQL cannot do: canonical ids, keyed hashes, and recipients that become one.

It runs inside the transaction of the migrations, while no server of the version before is connected.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Any, Final

from msgstate_server.store.canonical_rewrite import Recipient, canonical, changed_entries, fold_into_one, name_rows
from msgstate_server.store.hashing import Hashes
from msgstate_server.store.postgres.connection import Connection
from msgstate_server.store.postgres.queries import entry_from_row
from msgstate_server.store.rows import status_from_row, status_row
from msgstate_server.store.sql import statements

_BATCH: Final = 500
_SQL: Final = statements("msgstate_server.store.postgres", "canonical_migration.sql")
_READ_BATCH: Final = _SQL["read_statuses"].replace(":which", "id > $1 ORDER BY id LIMIT $2")
_READ_ONE: Final = _SQL["read_statuses"].replace(":which", "id = $1")


async def make_identities_canonical(connection: Connection) -> None:
    """Rewrite every recipient, in the order of their first appearance."""
    hashes = Hashes(await connection.fetchval("SELECT hash_key FROM head"))
    await connection.execute(_SQL["delete_names"])
    last = 0
    while batch := await _read(connection, _READ_BATCH, last, _BATCH):
        for recipient in batch:
            await _rewrite(connection, hashes, recipient)
        last = batch[-1].stored.id


async def _read(connection: Connection, statement: str, *values: int) -> list[Recipient]:
    statuses = [status_from_row(row) for row in await connection.fetch(statement, *values)]
    rows: Sequence[Any] = await connection.fetch(_SQL["read_entries"], [stored.id for stored in statuses])
    entries = {
        status_id: [entry_from_row(row[1:]) for row in own] for status_id, own in groupby(rows, lambda row: row[0])
    }
    return [Recipient(stored, entries.get(stored.id, [])) for stored in statuses]


async def _rewrite(connection: Connection, hashes: Hashes, original: Recipient) -> None:
    recipient = canonical(original)
    status_id = recipient.stored.id
    found = await connection.fetchval(_SQL["find_first"], *hashes.identity(recipient.stored.identity), status_id)
    first = [] if found is None else await _read(connection, _READ_ONE, found)
    whole = fold_into_one([*first, recipient])
    if first:
        await connection.execute(_SQL["delete_status"], status_id)
    for position, columns in changed_entries(whole, [*first, original]):
        await connection.execute(_SQL["write_entry"], *columns, position)
    row = status_row(whole.stored, whole.stored.identity, hashes)
    await connection.execute(_SQL["write_status"], *row, whole.stored.status.compact_time)
    if rows := name_rows(whole, hashes):
        await connection.executemany(_SQL["write_name"], rows)
