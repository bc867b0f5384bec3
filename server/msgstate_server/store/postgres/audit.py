"""One consistent view of a msgstate database for `check`, beside running servers or without one."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

import msgspec

from msgstate_server.domain.errors import StoreUnusable
from msgstate_server.domain.log import Head, LogEntry
from msgstate_server.domain.status import RecipientStatus
from msgstate_server.store.hashing import Hashes, IdentityHashes
from msgstate_server.store.postgres.connection import Connection, connect, required
from msgstate_server.store.postgres.incomplete_copy import require_finished
from msgstate_server.store.postgres.log_positions import read_head
from msgstate_server.store.postgres.migrations import is_optional, pending
from msgstate_server.store.postgres.queries import SQL, entry_from_row, read_hashes
from msgstate_server.store.protocol import RecipientRecord, Unreadable
from msgstate_server.store.rows import status_from_row

_RECIPIENTS: Final = 500
_ROWS: Final = 10_000


class PostgresAuditor:
    """Opens consistent views of a database; see `Auditable`."""

    def __init__(self, url: str) -> None:
        """Name the database; it is opened by `audit`."""
        self._url = url

    @asynccontextmanager
    async def audit(self) -> AsyncIterator["PostgresAudit"]:
        """Open a view in one read transaction; raises `StoreUnusable`."""
        # Whoever reads the view takes its time between two pages.
        connection = await connect(self._url, idle_in_transaction_session_timeout="0")
        try:
            with required("store: cannot be read to its end: {}"):
                async with connection.transaction(isolation="repeatable_read", readonly=True):
                    await require_finished(connection)
                    await require_schema(connection)
                    yield PostgresAudit(connection, await read_head(connection), await read_hashes(connection))
        finally:
            connection.terminate()


class PostgresAudit:
    """See `Audit`."""

    def __init__(self, connection: Connection, head: Head, hashes: Hashes) -> None:
        """Read over a connection whose transaction has begun."""
        self._connection = connection
        self.head = head
        self.hashes = hashes

    async def recipients(self) -> AsyncIterator[RecipientRecord | Unreadable]:
        """See `Audit`."""
        after = 0
        while rows := await self._connection.fetch(SQL["audit_recipients"], after, _RECIPIENTS):
            after = rows[-1]["id"]
            entries = await self._entries([row["id"] for row in rows])
            records = [_record(row, entries.get(row["id"], [])) for row in rows]
            await self._find_aliases([record for record in records if isinstance(record, RecipientRecord)])
            for record in records:
                yield record

    async def _entries(self, ids: Sequence[int]) -> dict[int, list[Sequence[Any]]]:
        """The log rows of these recipients."""
        rows = sorted(await self._connection.fetch(SQL["audit_entries"], ids), key=itemgetter(0, 1))
        return {status_id: [row[1:] for row in own] for status_id, own in groupby(rows, itemgetter(0))}

    async def _find_aliases(self, records: Sequence[RecipientRecord]) -> None:
        """Note those aliases that look-ups do not find."""
        wanted = [
            (name_hash, record.stored.id) for record in records for _, name_hash in self._names(record.stored.status)
        ]
        found = set()
        if wanted:
            rows = await self._connection.fetch(SQL["audit_aliases"], *zip(*wanted, strict=True))
            found = {tuple(row) for row in rows}
        for record in records:
            names = self._names(record.stored.status)
            record.unfindable = [name for name, name_hash in names if (name_hash, record.stored.id) not in found]

    def _names(self, status: RecipientStatus) -> list[tuple[str, int]]:
        """Aliases and refs, each with the hash under which look-ups find it."""
        aliases = [(alias, self.hashes.alias(alias)) for alias in status.aliases]
        return aliases + [(ref, self.hashes.ref(ref)) for ref in status.message_refs]

    async def log(self) -> AsyncIterator[tuple[int, int]]:
        """See `Audit`."""
        after = -1
        while rows := await self._connection.fetch(SQL["audit_log"], after, _ROWS):
            for row in rows:
                yield tuple(row)
            after = rows[-1]["position"]


async def require_schema(connection: Connection) -> None:
    """Refuse a database that lacks what this version reads."""
    missing = [name for name in await pending(connection) if not is_optional(name)]
    if missing:
        raise StoreUnusable(
            f"store: its schema lacks {', '.join(missing)}: run `msgstate migrate`, or start `msgstate serve` on it, "
            "which bring it up to date"
        )


def _record(row: Sequence[Any], entries: Sequence[Sequence[Any]]) -> RecipientRecord | Unreadable:
    """A recipient with its rows; or what is in them that no msgstate writes."""
    status_id = row[0]
    read: list[LogEntry] = []
    for entry in entries:
        try:
            read.append(entry_from_row(entry))
        except (IndexError, msgspec.DecodeError) as error:
            return Unreadable(status_id, f"event {entry[0]}", str(error), len(entries))
    try:
        return RecipientRecord(status_from_row(row), read, IdentityHashes(row[1], row[2]), row[25], [])
    except (IndexError, msgspec.DecodeError) as error:
        return Unreadable(status_id, f"status {status_id}", str(error), len(entries))
