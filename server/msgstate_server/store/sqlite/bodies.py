"""Raw bodies: those that brought events, and those in quarantine with what of them is in the log."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from msgstate_server.domain.decision import Candidate, Payload
from msgstate_server.store.hashing import Hashes
from msgstate_server.store.protocol import Quarantined, QuarantinePage
from msgstate_server.store.rows import payload_from_row, quarantined_from_row
from msgstate_server.store.sqlite.queries import BEYOND_ALL, SQL, fetch_json

if TYPE_CHECKING:
    import sqlite3 as sqlite
else:
    import pysqlite3.dbapi2 as sqlite

QUARANTINE_SCAN: Final = 1_000
"""Quarantined webhooks that one call looks at."""

_positions: Final = msgspec.json.Decoder(list[tuple[int, int]])


def read_payload(connection: sqlite.Connection, position: int) -> Payload | None:
    """See `Store`."""
    row = connection.execute(SQL["read_payload"], (position,)).fetchone()
    return None if row is None else payload_from_row(*row)


def find_positions(connection: sqlite.Connection, hashes: Hashes, candidates: Sequence[Candidate]) -> list[int]:
    """See `Store`."""
    wanted = msgspec.json.encode([(*hashes.identity(each.identity), each.key) for each in candidates]).decode()
    found = dict(_positions.decode(fetch_json(connection, "find_positions", (wanted,))))
    return [found.get(index, 0) for index in range(len(candidates))]


def list_quarantine(
    connection: sqlite.Connection, provider: str, include_replayed: bool, before: int | None, limit: int
) -> QuarantinePage:
    """See `Store`."""
    start = BEYOND_ALL if before is None else before
    # First, so that what comes in between the two reads is before the place where this page ends.
    last = connection.execute(SQL["last_quarantined"], (start, QUARANTINE_SCAN)).fetchone()
    values = (start, last[0] if last else 0, provider, int(include_replayed), limit + 1)
    found = [quarantined_from_row(row) for row in connection.execute(SQL["list_quarantine"], values)]
    if len(found) > limit:
        return QuarantinePage(found[:limit], found[limit - 1].id)
    return QuarantinePage(found, last and last[0])


def read_quarantined(connection: sqlite.Connection, quarantined_id: int) -> tuple[Quarantined, Payload] | None:
    """See `Store`."""
    row = connection.execute(SQL["read_quarantined"], (quarantined_id,)).fetchone()
    if row is None:
        return None
    *columns, body = row
    found = quarantined_from_row(columns)
    return found, payload_from_row(found.provider, found.account, found.received_time, body)
