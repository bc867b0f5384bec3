"""What PostgreSQL itself allows: the rows of a finished log, written again with asyncpg, on one connection.

`straight_postgres SOURCE TARGET...` takes databases, of which all but the first have the schema and no rows, and prints
the seconds of each as JSON. The batches are of 500 rows, a transaction each; the rows in the end are the same.
"""

import asyncio
import json
import sys
import time
from typing import Any, Final

import asyncpg

from msgstate_server.domain.decision import StoredStatus
from msgstate_server.domain.status import RecipientStatus
from msgstate_server.store.postgres.queries import SQL, entry_from_row, read_hashes
from msgstate_server.store.rows import status_row
from tests.bench.workload import BATCH

Row = tuple[Any, ...]

_TYPES: Final = {
    "bigint": "bigint[]",
    "smallint": "smallint[]",
    "integer": "integer[]",
    "text": "text[]",
    "bytea": "bytea[]",
}
_PREFIX: Final = "SET search_path = msgstate"


async def _statement(connection: Any, table: str, tail: str = "") -> str:
    """An insert of whole columns."""
    columns = await connection.fetch(
        "SELECT column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = 'msgstate' AND table_name = $1 ORDER BY ordinal_position",
        table,
    )
    names = ", ".join(name for name, _ in columns)
    arrays = ", ".join(f"${number}::{kind}[]" for number, (_, kind) in enumerate(columns, 1))
    updates = ", ".join(f"{name} = excluded.{name}" for name, _ in (*columns[6:25], *columns[27:]))
    return f"INSERT INTO {table} ({names}) SELECT * FROM unnest({arrays}) {tail.format(updates=updates)}"  # noqa: S608


async def batches(source: str) -> list[tuple[list[Row], list[Row]]]:
    """The rows of each batch: statuses as they are after it, and events."""
    connection = await asyncpg.connect(source)
    await connection.execute(_PREFIX)
    rows = [tuple(row) for row in await connection.fetch("SELECT * FROM event ORDER BY position")]
    query = f"SELECT {SQL['entry']} FROM event JOIN recipient_status AS s ON s.id = event.status_id ORDER BY position"  # noqa: S608
    entries = [entry_from_row(tuple(row)) for row in await connection.fetch(query)]
    hashes = await read_hashes(connection)
    await connection.close()
    statuses: dict[int, StoredStatus] = {}
    prepared = []
    for start in range(0, len(rows), BATCH):
        touched: dict[int, Row] = {}
        for row, entry in zip(rows[start : start + BATCH], entries[start : start + BATCH], strict=True):
            event = entry.event
            fresh = RecipientStatus(event.provider, event.message_id, event.recipient)
            stored = statuses.setdefault(row[1], StoredStatus(row[1], fresh))
            stored.status.apply(event, entry.key, entry.position, entry.commit_time)
            columns = status_row(stored, stored.identity, hashes)
            touched[row[1]] = (*columns[:26], None, *columns[26:])
        prepared.append((list(touched.values()), rows[start : start + BATCH]))
    return prepared


async def write(target: str, prepared: list[tuple[list[Row], list[Row]]]) -> float:
    """Write it all, a durable transaction a batch; gives the seconds."""
    connection = await asyncpg.connect(target)
    await connection.execute(_PREFIX)
    statuses = await _statement(connection, "recipient_status", "ON CONFLICT (id) DO UPDATE SET {updates}")
    events = await _statement(connection, "event")
    started = time.perf_counter()
    for changed, appended in prepared:
        async with connection.transaction():
            await connection.execute(statuses, *zip(*changed, strict=True))
            await connection.execute(events, *zip(*appended, strict=True))
            last = appended[-1]
            await connection.execute("UPDATE head SET position = $1, commit_time = $2", last[0], last[10])
    seconds = time.perf_counter() - started
    await connection.close()
    return seconds


async def require_equal(source: str, target: str) -> None:
    """Fail unless both databases hold the same rows."""
    digests = []
    for url in (source, target):
        connection = await asyncpg.connect(url)
        await connection.execute(_PREFIX)
        digests.append(
            [
                await connection.fetchval(f"SELECT md5(string_agg(t::text, ';' ORDER BY {key})) FROM {table} AS t")  # noqa: S608
                for table, key in (("recipient_status", "id"), ("event", "position"))
            ]
        )
        await connection.close()
    if digests[0] != digests[1]:
        raise SystemExit("the rows that were written straight are not the same")


async def main() -> None:
    """Write the rows of one database straight into others."""
    source, *targets = sys.argv[1:]
    prepared = await batches(source)
    seconds = []
    for target in targets:
        seconds.append(await write(target, prepared))
        await require_equal(source, target)
    print(json.dumps({"seconds": seconds}))  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main())
