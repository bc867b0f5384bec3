"""What retention deletes, in steps; each is the inside of one transaction.

Any number of replicas may sweep at once: whom another one holds is passed over, and found by the next sweep.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from msgstate_server.failpoints import failpoint
from msgstate_server.store.discarding import discarded
from msgstate_server.store.hashing import Hashes
from msgstate_server.store.postgres.connection import Connection
from msgstate_server.store.postgres.queries import SQL, execute, row_fingerprint
from msgstate_server.store.protocol import Step

_aliases: Final = msgspec.json.Decoder(list[str])


async def compact(connection: Connection, compact_time: int, silent_since: int, after: int, limit: int) -> Step:
    """See `Store`."""
    failpoint("compact.after_begin")
    count, last, newest = await connection.fetchrow(SQL["look_at_log"], after, limit)
    if not count:
        return Step(None, 0)
    silent = [row["id"] for row in await connection.fetch(SQL["lock_silent"], after, last, silent_since)]
    found = await connection.fetch(SQL["count_rows_of"], silent, after) if silent else ()
    fitting = found[: _fitting([rows for _, _, rows in found], limit)]
    deleted = await _delete_events(connection, [row["status_id"] for row in fitting], compact_time) if fitting else 0
    go_on = None if count < limit or newest >= silent_since else last
    if len(fitting) < len(found):
        go_on = found[len(fitting)]["first"] - 1
    return Step(go_on, deleted)


def _fitting(rows: Sequence[int], limit: int) -> int:
    """How many of the first recipients have no more than `limit` rows together; one, where it alone has more."""
    total = 0
    for index, own in enumerate(rows):
        total += own
        if index and total > limit:
            return index
    return len(rows)


async def _delete_events(connection: Connection, ids: Sequence[int], compact_time: int) -> int:
    """Delete all rows of these recipients, and move the floor; gives how many there were."""
    position, *row = await connection.fetchrow(SQL["last_entry_of"], ids)
    payloads = await connection.fetch(SQL["payloads_of"], ids)
    deleted = await execute(connection, "delete_events", ids)
    if payloads:
        orphans = await connection.fetch(SQL["find_orphans"], *zip(*payloads, strict=True))
        await connection.execute(SQL["delete_payloads"], [row["payload_id"] for row in orphans])
    failpoint("compact.after_events")
    await connection.execute(SQL["write_compact_time"], ids, compact_time)
    failpoint("compact.after_statuses")
    commit_time: int = row[1]
    await connection.execute(SQL["write_floor"], position, row_fingerprint(position, row), commit_time)
    failpoint("compact.after_floor")
    return deleted


async def forget(connection: Connection, hashes: Hashes, silent_since: int, after: int, limit: int) -> Step:
    """See `Store`."""
    failpoint("forget.after_begin")
    count, last, newest = await connection.fetchrow(SQL["look_at_statuses"], after, limit)
    found = await connection.fetch(SQL["lock_forgettable"], after, last, silent_since) if count else ()
    if found:
        aliases = [(hashes.alias(alias), row["id"]) for row in found for alias in _aliases.decode(row["aliases"])]
        aliases += [
            (hashes.ref(ref), row["id"]) for row in found for ref in _aliases.decode(row["message_refs"] or "[]")
        ]
        if aliases:
            await connection.execute(SQL["delete_aliases"], *zip(*aliases, strict=True))
        await connection.execute(SQL["delete_statuses"], [row["id"] for row in found])
        failpoint("forget.after_statuses")
    # Who appeared later than that was heard of later.
    return Step(None if count < limit or newest >= silent_since else last, len(found))


async def discard_payloads(connection: Connection, received_before: int, after: int, limit: int) -> Step:
    """See `Store`."""
    failpoint("discard.after_begin")
    looked_at = await connection.fetch(SQL["look_at_payloads"], after, limit)
    ids, go_on = discarded(looked_at, received_before, after, limit)
    deleted = await execute(connection, "delete_payloads", ids) if ids else 0
    failpoint("discard.after_payloads")
    return Step(go_on, deleted)
