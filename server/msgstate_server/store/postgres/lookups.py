"""Recipients and messages, webhooks' bodies and quarantine: what is read beside the log."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from msgstate_server.domain.decision import Candidate, Payload, StoredStatus
from msgstate_server.domain.identity import Identity
from msgstate_server.domain.log import LogEntry
from msgstate_server.domain.states import Evidence
from msgstate_server.domain.status import RecipientStatus
from msgstate_server.store.hashing import Hashes
from msgstate_server.store.postgres.connection import Connection
from msgstate_server.store.postgres.queries import BEYOND_ALL, CANDIDATES, SQL, entry_from_row
from msgstate_server.store.protocol import MessageKey, Quarantined, QuarantinePage, RefKey, StatusFilter, StatusPage
from msgstate_server.store.rows import payload_from_row, quarantined_from_row, status_from_row

SCAN: Final = 10_000
"""Candidates of a list that one call looks at."""
QUARANTINE_SCAN: Final = 1_000
"""Quarantined webhooks that one call looks at."""


class Lookups:
    """Reads recipients and messages of one database."""

    def __init__(self, hashes: Hashes) -> None:
        """`hashes` are those of the database."""
        self._hashes = hashes

    async def read_recipients(
        self, connection: Connection, message_id: str, provider: str, recipient: str, limit: int
    ) -> list[RecipientStatus]:
        """See `Store`."""
        if provider and recipient:
            values: tuple[object, ...] = (
                *self._hashes.identity(Identity(provider, message_id, recipient)),
                message_id,
                provider,
                recipient,
            )
            rows = await connection.fetch(SQL["read_recipient"], *values)
        else:
            values = (self._hashes.message(message_id), message_id, provider, recipient, limit)
            rows = await connection.fetch(SQL["read_recipients"], *values)
        return [status_from_row(row).status for row in rows]

    async def find_messages(
        self, connection: Connection, message_id: str, provider: str, limit: int
    ) -> list[MessageKey]:
        """See `Store`."""
        values = (self._hashes.message(message_id), message_id, provider, limit)
        return [MessageKey(*row) for row in await connection.fetch(SQL["find_messages"], *values)]

    async def find_by_aliases(
        self, connection: Connection, aliases: Sequence[MessageKey], limit: int
    ) -> list[list[MessageKey]]:
        """See `Store`."""
        found: list[list[MessageKey]] = [[] for _ in aliases]
        for place, *key in await _asked_for(connection, "find_by_aliases", aliases, self._hashes.alias, limit):
            found[place - 1].append(MessageKey(*key))
        return found

    async def read_messages(
        self, connection: Connection, keys: Sequence[MessageKey], limit: int
    ) -> list[list[RecipientStatus]]:
        """See `Store`."""
        found: list[list[RecipientStatus]] = [[] for _ in keys]
        for place, *row in await _asked_for(connection, "read_messages", keys, self._hashes.message, limit):
            found[place - 1].append(status_from_row(row).status)
        return found

    async def list_recipients(
        self, connection: Connection, wanted: StatusFilter, before: int | None, limit: int
    ) -> StatusPage:
        """See `Store`."""
        evidences = (
            [int(evidence) for evidence in Evidence if evidence.state in wanted.states] if wanted.states else None
        )
        name, hashed = _candidates(wanted, self._hashes)
        rows = await connection.fetch(
            CANDIDATES[name],
            evidences or None,
            sorted(wanted.providers) if wanted.providers else None,
            wanted.message_id,
            wanted.recipient,
            wanted.updated_after,
            wanted.updated_before,
            wanted.created_after,
            wanted.created_before,
            wanted.state_changed_before,
            msgspec.json.encode(dict(wanted.metadata)).decode() if wanted.metadata else None,
            # One more than asked for tells whether the page is the last.
            limit + 1,
            BEYOND_ALL if before is None else before,
            SCAN,
            *hashed,
        )
        last, count = rows[0][:2]
        statuses: list[StoredStatus] = [status_from_row(row[2:]) for row in rows if row[2] is not None]
        if len(statuses) > limit:
            return StatusPage(statuses[:limit], statuses[limit - 1].id)
        return StatusPage(statuses, last if count == SCAN else None)

    async def read_history(
        self, connection: Connection, message: MessageKey, recipient: str, after: int, limit: int
    ) -> list[LogEntry]:
        """See `Store`."""
        provider, message_id = message.provider, message.message_id
        values = (self._hashes.message(message_id), provider, message_id, recipient, after, limit)
        return [entry_from_row(row) for row in await connection.fetch(SQL["read_history"], *values)]

    async def read_ref(self, connection: Connection, key: RefKey, limit: int) -> list[StoredStatus]:
        """See `Store`."""
        values = (self._hashes.ref(key.message_ref), key.message_ref, key.provider, limit)
        return [status_from_row(row) for row in await connection.fetch(SQL["read_ref"], *values)]

    async def read_ref_history(
        self, connection: Connection, key: RefKey, recipient: str, after: int, limit: int
    ) -> list[LogEntry]:
        """See `Store`."""
        values = (self._hashes.ref(key.message_ref), key.message_ref, key.provider, recipient, after, limit)
        return [entry_from_row(row) for row in await connection.fetch(SQL["read_ref_history"], *values)]

    async def count_recipients(self, connection: Connection, message: MessageKey) -> dict[Evidence, int]:
        """See `Store`."""
        values = (self._hashes.message(message.message_id), message.provider, message.message_id)
        return {
            Evidence(evidence): count for evidence, count in await connection.fetch(SQL["count_recipients"], *values)
        }

    async def find_positions(self, connection: Connection, candidates: Sequence[Candidate]) -> list[int]:
        """See `Store`."""
        positions = [0] * len(candidates)
        wanted = [
            (*self._hashes.identity(candidate.identity), bytes.fromhex(candidate.key)) for candidate in candidates
        ]
        if wanted:
            for place, position in await connection.fetch(SQL["find_positions"], *zip(*wanted, strict=True)):
                positions[place - 1] = position
        return positions


async def _asked_for(
    connection: Connection, name: str, keys: Sequence[MessageKey], hashed: Callable[[str], int], limit: int
) -> Sequence[Any]:
    """Rows that begin with the place, from 1, of the key that they belong to."""
    if not keys:
        return ()
    providers, ids = [key.provider for key in keys], [key.message_id for key in keys]
    rows: Sequence[Any] = await connection.fetch(SQL[name], providers, ids, [*map(hashed, ids)], limit)
    return rows


def _candidates(wanted: StatusFilter, hashes: Hashes) -> tuple[str, tuple[int, ...]]:
    """The statement that gives the fewest candidates, and what it goes by."""
    message = (hashes.message(wanted.message_id),) if wanted.message_id else ()
    address = (hashes.address(wanted.recipient),) if wanted.recipient else ()
    name = {(0, 0): "candidates", (1, 0): "candidates_of_message", (0, 1): "candidates_of_address"}
    return name.get((len(message), len(address)), "candidates_of_both"), (*message, *address)


async def read_payload(connection: Connection, position: int) -> Payload | None:
    """See `Store`."""
    row = await connection.fetchrow(SQL["read_payload"], position)
    return None if row is None else payload_from_row(*row)


async def list_quarantine(
    connection: Connection, provider: str, include_replayed: bool, before: int | None, limit: int
) -> QuarantinePage:
    """See `Store`."""
    start = BEYOND_ALL if before is None else before
    rows = await connection.fetch(SQL["list_quarantine"], start, QUARANTINE_SCAN, provider, include_replayed, limit + 1)
    last, count = rows[0][:2]
    found = [quarantined_from_row(row[2:]) for row in rows if row[2] is not None]
    if len(found) > limit:
        return QuarantinePage(found[:limit], found[limit - 1].id)
    return QuarantinePage(found, last if count == QUARANTINE_SCAN else None)


async def read_quarantined(connection: Connection, quarantined_id: int) -> tuple[Quarantined, Payload] | None:
    """See `Store`."""
    row = await connection.fetchrow(SQL["read_quarantined"], quarantined_id)
    if row is None:
        return None
    *columns, body = row
    found = quarantined_from_row(columns)
    return found, payload_from_row(found.provider, found.account, found.received_time, body)
