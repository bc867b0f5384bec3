"""The log by position and by time. Each read is one statement, so that it is of one moment."""

from msgstate_server.domain.errors import HistoryDiverged, PositionCompacted, StoreUnavailable
from msgstate_server.domain.log import Head, LogEntry
from msgstate_server.store.postgres.connection import Connection
from msgstate_server.store.postgres.queries import SQL, entry_from_row, head_from_row, row_fingerprint


async def read_head(connection: Connection) -> Head:
    """Where the log stands."""
    return head_from_row(await connection.fetchrow(SQL["read_head"]))


async def read_log(connection: Connection, after: int, limit: int, expected: bytes | None) -> list[LogEntry]:
    """See `Store`."""
    rows = await connection.fetch(SQL["read_log"], after, limit + 1)
    position, floor, floor_fingerprint = rows[0][:3]
    if after < floor:
        raise PositionCompacted(floor)
    entries = [entry_from_row(row[3:]) for row in rows if row[3] is not None]
    own = entries.pop(0).fingerprint if entries and entries[0].position == after else None
    if after == floor:
        own = floor_fingerprint
    if expected is not None and own != expected:
        raise _diverged(after, position)
    del entries[limit:]
    end = max(after, min(after + limit, position))
    if [entry.position for entry in entries] != list(range(after + 1, end + 1)):
        raise _missing(f"some of the events {after + 1} to {end} are")
    return entries


async def fingerprint_at(connection: Connection, position: int) -> bytes:
    """See `Store`."""
    floor, floor_fingerprint, *row = await connection.fetchrow(SQL["fingerprint_at"], position)
    return _fingerprint_at(position, floor, floor_fingerprint, row)


async def last_before(connection: Connection, commit_time: int) -> tuple[int, bytes]:
    """See `Store`."""
    found = await connection.fetchrow(SQL["last_before"], commit_time)
    floor, floor_fingerprint, floor_time, position, high, *row = found
    if floor and commit_time <= floor_time:
        raise PositionCompacted(floor)
    if position < high:
        raise _missing(f"some of the events {position} to {high} are")
    return position, _fingerprint_at(position, floor, floor_fingerprint, row)


def _fingerprint_at(position: int, floor: int, floor_fingerprint: bytes, row: list[object]) -> bytes:
    if position == floor:
        return floor_fingerprint
    if position < floor:
        raise PositionCompacted(floor)
    if row[0] is None:
        raise _missing(f"event {position} is")
    return row_fingerprint(position, row)


def _diverged(after: int, end: int) -> HistoryDiverged:
    return HistoryDiverged(
        f"position {after} holds no longer the event that it did, and the log ends at {end}: a standby that had not "
        "all of it took over; read the statuses anew and watch from the token that comes with them"
    )


def _missing(what: str) -> StoreUnavailable:
    """A damaged database can lose rows without another sign of it: better no watch than one with a gap."""
    return StoreUnavailable(f"{what} missing; run `msgstate check`, and restore a backup")
