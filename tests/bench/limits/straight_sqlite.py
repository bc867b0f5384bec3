"""What SQLite itself allows: the rows of a finished file, written again with `executemany`, one thread, no decoding.

`straight_sqlite SOURCE FOLDER REPEATS` writes so many files, and prints the seconds of each as JSON. The batches and
the final files are the same, row by row.
"""

import asyncio
import json
import sys
import time
from contextlib import closing
from pathlib import Path

import pysqlite3.dbapi2 as sqlite

from msgstate_server.domain.decision import StoredStatus
from msgstate_server.domain.status import RecipientStatus
from msgstate_server.store.hashing import Hashes
from msgstate_server.store.rows import status_row
from msgstate_server.store.sqlite import SqliteStore
from msgstate_server.store.sqlite.connection import open_for_reading, open_for_writing
from msgstate_server.store.sqlite.queries import read_hashes
from tests.bench.workload import BATCH

Row = tuple[object, ...]

_INSERT_STATUS = "INSERT INTO recipient_status VALUES (" + ", ".join("?" * 26) + ", NULL, ?, ?, ?)"  # noqa: S608
_INSERT_EVENT = "INSERT INTO event VALUES (" + ", ".join("?" * 12) + ")"  # noqa: S608
_UPDATE_STATUS = """
UPDATE recipient_status SET
    evidence = ?, version = ?, position = ?, queued_time = ?, sent_time = ?, delivered_time = ?, engaged_time = ?,
    failed_time = ?, suppressed_time = ?, complained_time = ?, unsubscribed_time = ?, last_event_time = ?,
    open_count = ?, click_count = ?, failure_cause = ?, suppression_cause = ?, aliases = ?, create_time = ?,
    update_time = ?, message_refs = ?, metadata = ?, state_change_time = ?
WHERE id = ?
"""


def _changing(row: Row) -> Row:
    """The columns of a status without those that never change."""
    return (*row[6:25], *row[26:])


async def batches(source: Path) -> list[tuple[list[Row], list[Row], list[Row]]]:
    """The rows of each batch: new statuses, changed statuses, events."""
    connection = sqlite.connect(source)
    event_rows = connection.execute("SELECT * FROM event ORDER BY position").fetchall()
    connection.close()
    with closing(open_for_reading(source)) as reading:
        hashes = read_hashes(reading)
    store = await SqliteStore.open(source)
    statuses: dict[int, StoredStatus] = {}
    prepared = []
    for start in range(0, len(event_rows), BATCH):
        rows = event_rows[start : start + BATCH]
        entries = await store.read_log(start, BATCH)
        new: set[int] = set()
        for row, entry in zip(rows, entries, strict=True):
            status_id, event = row[1], entry.event
            if status_id not in statuses:
                new.add(status_id)
                fresh = RecipientStatus(event.provider, event.message_id, event.recipient)
                statuses[status_id] = StoredStatus(status_id, fresh)
            statuses[status_id].status.apply(event, entry.key, entry.position, entry.commit_time)
        touched = {row[1]: _row(statuses[row[1]], hashes) for row in rows}
        prepared.append(
            (
                [row for status_id, row in touched.items() if status_id in new],
                [(*_changing(row), status_id) for status_id, row in touched.items() if status_id not in new],
                rows,
            )
        )
    await store.close()
    return prepared


def _row(stored: StoredStatus, hashes: Hashes) -> Row:
    return status_row(stored, stored.identity, hashes)


def write(target: Path, prepared: list[tuple[list[Row], list[Row], list[Row]]]) -> float:
    """Write it all, a durable transaction a batch; gives the seconds."""
    connection = open_for_writing(target)
    started = time.perf_counter()
    for new, changed, events in prepared:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(_INSERT_STATUS, new)
        connection.executemany(_UPDATE_STATUS, changed)
        connection.executemany(_INSERT_EVENT, events)
        connection.execute("UPDATE head SET position = ?, commit_time = ?", (events[-1][0], events[-1][10]))
        connection.execute("COMMIT")
    seconds = time.perf_counter() - started
    connection.close()
    return seconds


def require_equal(source: Path, target: Path) -> None:
    """Fail unless both files hold the same rows."""
    connection = sqlite.connect(source)
    connection.execute("ATTACH ? AS other", (str(target),))
    for table in ("recipient_status", "event"):
        for left, right in (("main", "other"), ("other", "main")):
            query = f"SELECT count(*) FROM (SELECT * FROM {left}.{table} EXCEPT SELECT * FROM {right}.{table})"  # noqa: S608
            (differing,) = connection.execute(query).fetchone()
            if differing:
                raise SystemExit(f"{table}: {differing} rows of {left} are not in {right}")
    connection.close()


def main() -> None:
    """Write the rows of one file straight into others."""
    source, folder, repeats = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    prepared = asyncio.run(batches(source))
    seconds = []
    for repeat in range(repeats):
        target = folder / f"straight-{repeat}.db"
        seconds.append(write(target, prepared))
        require_equal(source, target)
    print(json.dumps({"seconds": seconds}))  # noqa: T201


if __name__ == "__main__":
    main()
