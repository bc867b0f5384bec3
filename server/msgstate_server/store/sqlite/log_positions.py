"""The log by position and by time. Each read is of one moment: the floor may move right after it, never within."""

from typing import TYPE_CHECKING, Final

import msgspec

from msgstate_server.domain.errors import HistoryDiverged, PositionCompacted
from msgstate_server.domain.log import LogEntry
from msgstate_server.store.sqlite.queries import SQL, fetch_json, one_view, read_head

if TYPE_CHECKING:
    import sqlite3 as sqlite
else:
    import pysqlite3.dbapi2 as sqlite

_entries: Final = msgspec.json.Decoder(list[LogEntry])


def read_log(log: sqlite.Connection, after: int, limit: int, expected: bytes | None) -> list[LogEntry]:
    """See `Store`."""
    with one_view(log):
        head = read_head(log)
        if after < head.floor:
            raise PositionCompacted(head.floor)
        if expected is not None and (after > head.position or expected != _fingerprint_at(log, after)):
            raise HistoryDiverged(f"position {after} holds another event than it did")
        entries = _entries.decode(fetch_json(log, "read_log", (after, limit)))
    end = max(after, min(after + limit, head.position))
    if [entry.position for entry in entries] != list(range(after + 1, end + 1)):
        raise _missing(f"some of the events {after + 1} to {end} are")
    return entries


def fingerprint_at(log: sqlite.Connection, position: int) -> bytes:
    """See `Store`."""
    with one_view(log):
        return _fingerprint_at(log, position)


def last_before(log: sqlite.Connection, commit_time: int) -> tuple[int, bytes]:
    """See `Store`."""
    with one_view(log):
        position = _last_position_before(log, commit_time)
        return position, _fingerprint_at(log, position)


def _fingerprint_at(log: sqlite.Connection, position: int) -> bytes:
    head = read_head(log)
    if position == head.floor:
        return head.floor_fingerprint
    if position < head.floor:
        raise PositionCompacted(head.floor)
    row = log.execute(SQL["read_entry"], (position,)).fetchone()
    if row is None:
        raise _missing(f"event {position} is")
    (entry,) = _entries.decode(row[0])
    return entry.fingerprint


def _last_position_before(log: sqlite.Connection, commit_time: int) -> int:
    """Bisects the log, since commit times never fall along it."""
    head = read_head(log)
    if head.floor and commit_time <= head.floor_time:
        raise PositionCompacted(head.floor)
    low, high = head.floor, head.position
    while low < high:
        middle = (low + high + 1) // 2
        row = log.execute(SQL["commit_time_at"], (middle,)).fetchone()
        if row is None:
            raise _missing(f"event {middle} is")
        if row[0] < commit_time:
            low = middle
        else:
            high = middle - 1
    return low


def _missing(what: str) -> sqlite.DatabaseError:
    """A damaged file can lose rows without another sign of it: better no watch than one with a gap."""
    return sqlite.DatabaseError(f"{what} missing")
