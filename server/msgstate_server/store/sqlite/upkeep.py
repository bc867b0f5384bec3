"""A msgstate file as who keeps it sees it: how it is, and its schema brought up to date without serving it."""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from msgstate_server.domain.errors import StoreUnusable
from msgstate_server.store.sqlite.connection import (
    FileLock,
    lock_holder,
    open_as_it_is,
    open_for_writing,
    pending_migrations,
    require_safe_library,
)
from msgstate_server.store.sqlite.file_space import compact_file, read_space
from msgstate_server.store.sqlite.queries import read_head
from msgstate_server.store.sqlite.soundness import require_agreement, require_whole
from msgstate_server.store.upkeep import Condition

if TYPE_CHECKING:
    import sqlite3 as sqlite
else:
    import pysqlite3.dbapi2 as sqlite


class SqliteUpkeep:
    """See `Maintainable`."""

    def __init__(self, path: Path) -> None:
        """Name the file, which need not be there."""
        self._path = path

    def condition(self) -> Condition:
        """How the file is."""
        require_safe_library()
        folder = self._path.resolve().parent
        try:
            exists = self._path.exists()
        except OSError as error:
            raise StoreUnusable(f"cannot look at {self._path} ({error.strerror}): let this user read it") from error
        if not exists:
            return Condition(exists=False, pending=pending_migrations(None), server="", folder=folder, commit_time=0)
        with closing(open_as_it_is(self._path)) as connection:
            try:
                return self._condition(connection, folder)
            except sqlite.Error as error:
                raise StoreUnusable(f"{self._path} is damaged ({error}): restore a backup") from error

    def _condition(self, connection: sqlite.Connection, folder: Path) -> Condition:
        pending, server = pending_migrations(connection), lock_holder(self._path.resolve())
        # A server may write between the two reads of these; what it has opened was whole.
        if not server:
            require_whole(connection, self._path)
        if not pending:
            connection.execute("BEGIN")
            require_agreement(connection, self._path)
        return Condition(
            exists=len(pending) < len(pending_migrations(None)),
            pending=pending,
            server=server,
            folder=folder,
            commit_time=0 if pending else read_head(connection).commit_time,
            space=read_space(connection),
        )

    def migrate(self, *, post: bool = False) -> list[str]:
        """Bring the schema up to date, as the only one on the file, which has no servers of two versions."""
        require_safe_library()
        lock = FileLock(self._path.resolve())
        try:
            pending = self.condition().pending
            open_for_writing(self._path).close()
        finally:
            lock.release()
        return pending

    def compact_file(self) -> tuple[int, int]:
        """See `file_space.compact_file`."""
        return compact_file(self._path)
