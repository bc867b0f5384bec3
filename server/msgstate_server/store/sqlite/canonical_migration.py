"""The part of migration 5 that SQL cannot do: canonical ids, keyed hashes, and recipients that become one.

It runs inside the transaction of the migrations.
"""

from typing import TYPE_CHECKING, Final

import msgspec

from msgstate_server.domain.decision import StoredStatus
from msgstate_server.domain.log import LogEntry
from msgstate_server.store.canonical_rewrite import Recipient, canonical, changed_entries, fold_into_one, name_rows
from msgstate_server.store.hashing import Hashes
from msgstate_server.store.rows import status_row
from msgstate_server.store.sql import statements

if TYPE_CHECKING:
    import sqlite3 as sqlite
else:
    import pysqlite3.dbapi2 as sqlite

_BATCH: Final = 500
_SQL: Final = statements("msgstate_server.store.sqlite", "canonical_migration.sql")
_READ_BATCH: Final = _SQL["read_recipients"].replace(":which", "s.id > ? ORDER BY s.id LIMIT ?")
_READ_ONE: Final = _SQL["read_recipients"].replace(":which", "s.id = ?")

_recipients: Final = msgspec.json.Decoder(list[tuple[StoredStatus, list[LogEntry]]])


def make_identities_canonical(connection: sqlite.Connection) -> None:
    """Rewrite every recipient, in the order of their first appearance."""
    (key,) = connection.execute("SELECT hash_key FROM head").fetchone()
    hashes = Hashes(key)
    connection.execute(_SQL["delete_names"])
    last = 0
    while batch := _read(connection, _READ_BATCH, (last, _BATCH)):
        for recipient in batch:
            _rewrite(connection, hashes, recipient)
        last = batch[-1].stored.id


def _read(connection: sqlite.Connection, statement: str, values: tuple[int, ...]) -> list[Recipient]:
    found = connection.execute(statement, values).fetchone()[0]
    return [Recipient(*each) for each in _recipients.decode(found or "[]")]


def _rewrite(connection: sqlite.Connection, hashes: Hashes, original: Recipient) -> None:
    recipient = canonical(original)
    status_id = recipient.stored.id
    found = connection.execute(_SQL["find_first"], (*hashes.identity(recipient.stored.identity), status_id)).fetchone()
    first = _read(connection, _READ_ONE, found) if found else []
    whole = fold_into_one([*first, recipient])
    if first:
        connection.execute(_SQL["delete_status"], (status_id,))
        connection.execute(_SQL["write_last_forgotten"], (status_id,))
    for position, columns in changed_entries(whole, [*first, original]):
        connection.execute(_SQL["write_entry"], (*columns, position))
    row = status_row(whole.stored, whole.stored.identity, hashes)
    connection.execute(_SQL["write_status"], (*row, whole.stored.status.compact_time, whole.stored.id))
    connection.executemany(_SQL["write_name"], name_rows(whole, hashes))
