"""Opens a msgstate file: with a library that is safe, as the only server, migrated; or says why not and the mend."""

import fcntl
import os
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlite_utils import Database, Migrations

from msgstate_server.domain.errors import StoreUnusable
from msgstate_server.store.copyable import UNFINISHED
from msgstate_server.store.sql import statements
from msgstate_server.store.sqlite.canonical_migration import make_identities_canonical
from msgstate_server.store.sqlite.soundness import require_agreement, require_whole

if TYPE_CHECKING:
    import sqlite3 as sqlite
else:
    import pysqlite3.dbapi2 as sqlite

SAFE_VERSION: Final = (3, 51, 3)
SAFE_BACKPORT: Final = (3, 50, 7)
APPLICATION_ID: Final = 0x6D736773
"""`msgs`: marks a SQLite file as msgstate's."""

_VIEWS: Final = statements("msgstate_server.store.sqlite", "views.sql")
_LOCK_SECONDS: Final = 0.5
"""How long a start waits for the lock: who asks for its holder has it for a moment, a server keeps it."""
_LOCK_PAUSE: Final = 0.01


def require_safe_library(version: tuple[int, ...] = sqlite.sqlite_version_info) -> None:
    """Refuse a SQLite that can lose committed pages when a write meets a checkpoint in WAL mode."""
    backported = version[:2] == SAFE_BACKPORT[:2] and version >= SAFE_BACKPORT
    if version < SAFE_VERSION and not backported:
        found = ".".join(map(str, version))
        raise StoreUnusable(
            f"SQLite {found} can lose committed data in WAL mode; 3.51.3 or newer (or 3.50.7 of its line) is needed. "
            "Install the newest pysqlite3: pip install --upgrade pysqlite3"
        )


class FileLock:
    """Keeps a second server off the same file, for as long as this process lives."""

    def __init__(self, database: Path) -> None:
        """Take the lock beside the database, or refuse with the process that holds it."""
        self.path = database.with_name(database.name + "-lock")
        try:
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StoreUnusable(_unwritable(database, error)) from error
        if os.geteuid() == 0 and database.exists():
            # As SQLite does for its own files: a command run as root must not lock the server's user out.
            owner = database.stat()
            with suppress(OSError):
                os.fchown(self._descriptor, owner.st_uid, owner.st_gid)
        try:
            _lock(self._descriptor)
        except BlockingIOError:
            holder = os.read(self._descriptor, 32).decode(errors="replace").strip() or "unknown"
            os.close(self._descriptor)
            message = (
                f"another server (process {holder}) already runs on {database}: one SQLite file serves one server. "
                "Stop it, or give this one a file of its own"
            )
            raise StoreUnusable(message) from None
        except OSError as error:
            os.close(self._descriptor)
            raise StoreUnusable(f"cannot lock {self.path} ({error.strerror}): keep the file on a local disk") from error
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let another server have the file."""
        os.close(self._descriptor)


def _lock(descriptor: int) -> None:
    """Lock an open file; raises `BlockingIOError` where another process keeps it."""
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise
        time.sleep(_LOCK_PAUSE)


def lock_holder(database: Path) -> str:
    """The process whose server runs on the file; empty where none does. Raises `StoreUnusable`."""
    try:
        return _holder(database.with_name(database.name + "-lock"))
    except OSError as error:
        message = f"cannot tell whether a server runs on {database} ({error.strerror}): let this user read its folder"
        raise StoreUnusable(message) from error


def _holder(path: Path) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return ""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
    finally:
        os.close(descriptor)
    return ""


LOG_BYTES: Final = 16 * 1024 * 1024
"""What the write-ahead log is cut to once nobody reads from it: four times what it takes in normal operation."""


def open_for_writing(
    path: Path, announce: Callable[[list[str]], None] | None = None, *, unfinished: bool = False
) -> sqlite.Connection:
    """The one connection that writes: durable, in WAL mode, its schema up to date.

    `announce` is told the migrations that a file of an older version needs, before they run. An unfinished copy is for
    the copy alone, which says so.
    """
    connection = _connect(path, "mode=rwc")
    with _closed_on_failure(connection, path):
        _require_own_file(connection, path, unfinished=unfinished)
        require_whole(connection, path)
        # A new file can give free pages back, which has to be said before it has a table; others need `compact-file`.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        # A reader that holds the file open keeps the log growing; without a limit it stays that large for ever.
        connection.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")
        connection.execute("PRAGMA cache_size = -32768")
        connection.execute("PRAGMA temp_store = MEMORY")
        migrate(connection, path, announce)
        if not unfinished:
            require_agreement(connection, path)
        _create_views(connection)
    return connection


def open_to_rewrite(path: Path) -> sqlite.Connection:
    """A connection that rewrites a file as it is, whatever schema it has; nothing else may be on the file."""
    connection = _connect(path, "mode=rw")
    with _closed_on_failure(connection, path):
        _require_own_file(connection, path)
        require_whole(connection, path)
        connection.execute("PRAGMA synchronous = FULL")
    return connection


def open_for_reading(path: Path) -> sqlite.Connection:
    """A connection that reads a file which may have a server on it."""
    if not path.exists():
        raise StoreUnusable(f"{path} does not exist: name the file that `msgstate serve --store` was given")
    connection = _connect_for_reading(path)
    with _closed_on_failure(connection, path):
        _require_own_file(connection, path)
        _require_known_schema(connection, path)
        _require_schema(connection, path)
        _create_views(connection)
        connection.execute("PRAGMA query_only = ON")
    return connection


def open_as_it_is(path: Path, *, unfinished: bool = False) -> sqlite.Connection:
    """A connection that reads a file of whatever schema this program knows, or one that holds nothing yet.

    An unfinished copy is for the copy alone, which says so.
    """
    connection = _connect_for_reading(path)
    with _closed_on_failure(connection, path):
        _require_own_file(connection, path, unfinished=unfinished)
        _require_known_schema(connection, path)
        connection.execute("PRAGMA query_only = ON")
    return connection


def _connect_for_reading(path: Path) -> sqlite.Connection:
    try:
        return _connect(path, "mode=ro")
    except StoreUnusable:
        # Without a write-ahead log no server is on the file, and it can be read where nothing may be written beside it.
        if path.with_name(path.name + "-wal").exists():
            raise
        return _connect(path, "immutable=1")


def _connect(path: Path, options: str) -> sqlite.Connection:
    try:
        connection = sqlite.connect(
            f"{path.absolute().as_uri()}?{options}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=5.0,
        )
    except sqlite.Error as error:
        raise StoreUnusable(unopenable(path, error)) from error
    with _closed_on_failure(connection, path):
        connection.execute("PRAGMA schema_version").fetchone()
    return connection


@contextmanager
def _closed_on_failure(connection: sqlite.Connection, path: Path) -> Iterator[None]:
    """Leave nothing open behind an error, and say a driver's in words that help."""
    try:
        yield
    except BaseException as error:
        connection.close()
        if isinstance(error, sqlite.Error):
            raise StoreUnusable(unopenable(path, error)) from error
        # The driver fails to tell of a schema that is malformed where a name in it is no text.
        if isinstance(error, UnicodeDecodeError):
            raise StoreUnusable(f"{path} is damaged (its schema is malformed): restore a backup") from error
        raise


def _require_own_file(connection: sqlite.Connection, path: Path, *, unfinished: bool = False) -> None:
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application_id != APPLICATION_ID and tables:
        raise StoreUnusable(f"{path} is a SQLite database of another program: give msgstate a file of its own")
    (markers,) = connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'copying'").fetchone()
    if markers and not unfinished:
        raise StoreUnusable(f"{path} {UNFINISHED}")


_MIGRATIONS: Final = Migrations("msgstate")
_CANONICAL_IDENTITY: Final = "0005_canonical_identity"


def _register_migrations() -> None:
    folder = files("msgstate_server.store.sqlite").joinpath("migrations")
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        script = file.read_text(encoding="utf-8")

        name = file.name.removesuffix(".sql")

        def run(db: Database, script: str = script, name: str = name) -> None:
            # `db.executescript` takes the square of a statement's length: 70 ms for the first migration.
            for statement in _statements(script):
                db.execute(statement)
            if name == _CANONICAL_IDENTITY:
                make_identities_canonical(db.conn)

        _MIGRATIONS(name=name)(run)


def _statements(script: str) -> Iterator[str]:
    """The statements of a migration, each of which ends with its line."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite.complete_statement(statement):
            yield statement
            statement = ""
    if statement:
        yield statement


_register_migrations()


def _inflated_size(body: bytes) -> int:
    """How long a body is; 0 for one that is damaged, which must not keep the others from being served."""
    try:
        return len(zlib.decompress(body))
    except zlib.error:
        return 0


def migrate(connection: sqlite.Connection, path: Path, announce: Callable[[list[str]], None] | None = None) -> None:
    """Bring the schema up to date, in one transaction; refuse a schema newer than this program."""
    # Migration 2 fills a column of hashes that migration 5 computes anew.
    connection.create_function("hash_of_address", 1, lambda _: 0, deterministic=True)
    connection.create_function("inflated_size", 1, _inflated_size, deterministic=True)
    connection.execute("BEGIN IMMEDIATE")
    try:
        _require_known_schema(connection, path)
        # Also where it is set: a write syncs the write-ahead log, where a killed server may have left a commit that was
        # never synced. It is seen from now on, so it must be durable before anybody is told of it.
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        pending = pending_migrations(connection)
        if announce and 0 < len(pending) < len(_MIGRATIONS._migrations):  # noqa: SLF001
            announce(pending)
        _MIGRATIONS.apply(Database(connection, execute_plugins=False))
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite.Error):
            connection.execute("ROLLBACK")
        raise


def pending_migrations(connection: sqlite.Connection | None) -> list[str]:
    """The migrations that a file lacks, in order; all there are where there is no file."""
    if connection is None:
        return [migration.name for migration in _MIGRATIONS._migrations]  # noqa: SLF001
    return [migration.name for migration in _MIGRATIONS.pending(Database(connection, execute_plugins=False))]


def _require_known_schema(connection: sqlite.Connection, path: Path) -> None:
    database = Database(connection, execute_plugins=False)
    applied = {migration.name for migration in _MIGRATIONS.applied(database)}
    unknown = sorted(applied.difference(migration.name for migration in _MIGRATIONS._migrations))  # noqa: SLF001
    if unknown:
        raise StoreUnusable(
            f"{path} was written by a newer msgstate (its schema has {', '.join(unknown)}): "
            "run that version or a later one, or restore a backup made before the upgrade"
        )


def _require_schema(connection: sqlite.Connection, path: Path) -> None:
    if not _MIGRATIONS.applied(Database(connection, execute_plugins=False)):
        raise StoreUnusable(
            f"{path} holds nothing of msgstate yet: name a file that `msgstate serve --store` was given"
        )
    missing = pending_migrations(connection)
    if missing:
        raise StoreUnusable(
            f"{path} was written by an older msgstate (its schema lacks {', '.join(missing)}): "
            "run `msgstate migrate`, or start `msgstate serve` on it, which bring it up to date"
        )


def _create_views(connection: sqlite.Connection) -> None:
    for view in _VIEWS.values():
        connection.execute(view)


def _unwritable(path: Path, error: OSError) -> str:
    return f"cannot write in {path.parent} ({error.strerror}): give --store a file in a folder this user may write to"


def unopenable(path: Path, error: sqlite.Error) -> str:
    """Why a file cannot be opened, and the mend."""
    if "not a database" in str(error):
        return f"{path} is not a SQLite database: give --store another file, or move this one away"
    if getattr(error, "sqlite_errorname", "") == "SQLITE_FULL":
        return f"cannot open {path}: its disk is full. Make room"
    if not isinstance(error, sqlite.OperationalError):
        return f"{path} is damaged ({error}): restore a backup"
    return f"cannot open {path} ({error}): check that the folder exists and that this user may write to it"
