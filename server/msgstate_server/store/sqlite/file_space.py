"""The space that a msgstate file takes on its disk, and how free pages go back to the file system."""

import os
import shutil
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgstate_server.domain.errors import StoreUnusable
from msgstate_server.store.sqlite.connection import FileLock, open_to_rewrite, require_safe_library
from msgstate_server.store.upkeep import Space

if TYPE_CHECKING:
    import sqlite3 as sqlite
else:
    import pysqlite3.dbapi2 as sqlite

_INCREMENTAL: Final = 2
_RESERVE_SHARE: Final = 5
"""A fifth of the file may be free: new events fill it again, and a file that shrinks and grows all day helps nobody."""
_RESERVE_PAGES: Final = 1_024


def read_space(connection: sqlite.Connection) -> Space:
    """How much the file takes, and how much of that is free."""
    page_size = _pragma(connection, "page_size")
    pages, free = _pragma(connection, "page_count"), _pragma(connection, "freelist_count")
    return Space(pages * page_size, free * page_size, shrinks=_pragma(connection, "auto_vacuum") == _INCREMENTAL)


def release_pages(connection: sqlite.Connection, limit: int) -> int:
    """Give up to `limit` free pages back, in one short transaction; a reserve for new events stays.

    Gives how many pages were released. A file that was made before version 0.3.0 releases none until `compact-file`
    has rewritten it.
    """
    if _pragma(connection, "auto_vacuum") != _INCREMENTAL:
        return 0
    before = _pragma(connection, "freelist_count")
    excess = before - max(_pragma(connection, "page_count") // _RESERVE_SHARE, _RESERVE_PAGES)
    if excess <= 0:
        return 0
    # The pragma frees one page for each row that is fetched.
    connection.execute(f"PRAGMA incremental_vacuum({min(limit, excess)})").fetchall()
    return before - _pragma(connection, "freelist_count")


def compact_file(path: Path) -> tuple[int, int]:
    """Rewrite the file without its free pages, as the only process on it; gives its size before and after, in bytes.

    The rewrite is one transaction: a crash leaves the file as it was. Raises `StoreUnusable`, also where the disk has
    too little room: the rewritten copy stands beside the file and passes through the write-ahead log.
    """
    require_safe_library()
    if not path.exists():
        raise StoreUnusable(f"{path} does not exist: name the file that `msgstate serve --store` was given")
    lock = FileLock(path.resolve())
    try:
        with closing(open_to_rewrite(path)) as connection:
            space = read_space(connection)
            _require_room(path.resolve().parent, 2 * (space.size - space.free))
            _rewrite(connection, path)
        return space.size, path.stat().st_size
    finally:
        lock.release()


def _require_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise StoreUnusable(
            f"compacting needs {_mebibytes(needed)} MiB free in {folder}, which has {_mebibytes(free)} MiB: make room, "
            "or move the file to a larger disk first"
        )


def _rewrite(connection: sqlite.Connection, path: Path) -> None:
    # SQLite builds the copy in its temporary folder, which is often small; the file's own folder was checked for room.
    os.environ["SQLITE_TMPDIR"] = str(path.resolve().parent)
    try:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except sqlite.Error as error:
        raise StoreUnusable(f"cannot compact {path} ({error}): the file is as it was") from error
    finally:
        del os.environ["SQLITE_TMPDIR"]


def _pragma(connection: sqlite.Connection, name: str) -> int:
    (value,) = connection.execute(f"PRAGMA {name}").fetchone()
    return int(value)


def _mebibytes(size: int) -> int:
    return -(-size // 1_048_576)
