"""What a start proves of a file in milliseconds, however long its log: that it is whole, and ends where its head says.

Where something that was acknowledged is gone, or mixed with what is older, a server that went on would make it worse.
`check` proves all the rest.
"""

import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgstate_server.domain.errors import StoreUnusable
from msgstate_server.domain.log import EMPTY_FINGERPRINT, Head, fingerprint
from msgstate_server.domain.states import Evidence
from msgstate_server.store.sqlite.queries import SQL, read_head

if TYPE_CHECKING:
    import sqlite3 as sqlite
else:
    import pysqlite3.dbapi2 as sqlite

_WAL_HEADER: Final = struct.Struct(">16xII8x")
_FRAME_HEADER: Final = struct.Struct(">IIII8x")


def require_whole(connection: sqlite.Connection, path: Path) -> None:
    """Refuse a file that is shorter than its header says, but for pages that are still in the write-ahead log.

    To be called before a checkpoint, which makes the file as long as it must be, with zeros.
    """
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (page_size,) = connection.execute("PRAGMA page_size").fetchone()
    missing = set(range(path.stat().st_size // page_size + 1, pages + 1))
    if missing and not missing <= _logged_pages(path.with_name(path.name + "-wal"), page_size):
        raise _damaged(path, f"it lacks {len(missing)} of its {pages} pages")


def _logged_pages(wal: Path, page_size: int) -> set[int]:
    """The pages in the committed part of a write-ahead log; none where there is no log, or an empty one."""
    logged: set[int] = set()
    waiting: set[int] = set()
    try:
        descriptor = os.open(wal, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return logged
    try:
        header = os.pread(descriptor, _WAL_HEADER.size, 0)
        if len(header) < _WAL_HEADER.size:
            return logged
        salts = _WAL_HEADER.unpack(header)
        step = _FRAME_HEADER.size + page_size
        for place in range(_WAL_HEADER.size, os.fstat(descriptor).st_size - step + 1, step):
            page, size_after_commit, *own = _FRAME_HEADER.unpack(os.pread(descriptor, _FRAME_HEADER.size, place))
            if tuple(own) != salts:
                break
            waiting.add(page)
            if size_after_commit:
                logged |= waiting
                waiting.clear()
    finally:
        os.close(descriptor)
    return logged


def require_agreement(connection: sqlite.Connection, path: Path) -> None:
    """Refuse a file whose log does not end with the event that its head says."""
    head = read_head(connection)
    first, last = connection.execute(SQL["ends_of_log"]).fetchone()
    if head.position == head.floor:
        expected = head.floor_fingerprint if head.floor else EMPTY_FINGERPRINT
        if first is not None or head.fingerprint != expected:
            raise _damaged(path, f"its head says that no event is kept after {head.floor}, and its log has others")
        return
    if (first, last) != (head.floor + 1, head.position):
        found = "nothing" if first is None else f"events {first} to {last}"
        raise _damaged(path, f"its head says events {head.floor + 1} to {head.position}, and its log has {found}")
    if not _ends_with(connection, head):
        raise _damaged(path, f"event {head.position} is not the one that its head says")


def _ends_with(connection: sqlite.Connection, head: Head) -> bool:
    """Whether the last row is the head's, its recipient knows it and its index finds it."""
    row = connection.execute(SQL["last_row"], (head.position,)).fetchone()
    key, commit_time, after, version, update_time, found, kept = row
    if after not in tuple(Evidence):
        return False
    made = fingerprint(head.position, key, commit_time, Evidence(after), version)
    own = bytes.fromhex(kept) if kept else made
    expected = (head.fingerprint, head.commit_time, head.commit_time, head.position)
    return (own, commit_time, update_time, found) == expected


def _damaged(path: Path, what: str) -> StoreUnusable:
    return StoreUnusable(f"{path} is damaged ({what}): restore a backup")
