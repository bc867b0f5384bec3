"""The log by position and by time. Each read is of one moment: the floor may move right after it, never within."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import msgspec

from msgstate_server.domain.errors import PositionCompacted
from msgstate_server.domain.log import LogEntry
from msgstate_server.store.sqlite.queries import SQL, fetch_json, read_head

if TYPE_CHECKING:
    import sqlite3 as sqlite
else:
    import pysqlite3.dbapi2 as sqlite

_entries: Final = msgspec.json.Decoder(list[LogEntry])


def read_log(log: sqlite.Connection, after: int, limit: int) -> list[LogEntry]:
    """See `Store`."""
    found, floor = log.execute(SQL["read_log"], (after, limit)).fetchone()
    if after < floor:
        raise PositionCompacted(floor)
    entries = _entries.decode(found or "[]")
    if entries and (entries[0].position, entries[-1].position) != (after + 1, after + len(entries)):
        # A damaged file can lose a page of rows without another sign of it: better no watch than one with a gap.
        raise sqlite.DatabaseError(f"events after {after} are missing")
    return entries


def fingerprint_at(log: sqlite.Connection, position: int) -> bytes:
    """See `Store`."""
    with _one_view(log):
        return _fingerprint_at(log, position)


def last_before(log: sqlite.Connection, commit_time: int) -> tuple[int, bytes]:
    """See `Store`."""
    with _one_view(log):
        position = _last_position_before(log, commit_time)
        return position, _fingerprint_at(log, position)


def _fingerprint_at(log: sqlite.Connection, position: int) -> bytes:
    head = read_head(log)
    if position == head.floor:
        return head.floor_fingerprint
    if position < head.floor:
        raise PositionCompacted(head.floor)
    (entry,) = _entries.decode(fetch_json(log, "read_entry", (position,)))
    return entry.fingerprint


def _last_position_before(log: sqlite.Connection, commit_time: int) -> int:
    """Bisects the log, since commit times never fall along it."""
    head = read_head(log)
    if head.floor and commit_time <= head.floor_time:
        raise PositionCompacted(head.floor)
    low, high = head.floor, head.position
    while low < high:
        middle = (low + high + 1) // 2
        (at_middle,) = log.execute(SQL["commit_time_at"], (middle,)).fetchone()
        if at_middle < commit_time:
            low = middle
        else:
            high = middle - 1
    return low


@contextmanager
def _one_view(connection: sqlite.Connection) -> Iterator[None]:
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
