"""Finds the engine that a store's URL names."""

import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Final

from msgstate_server.domain.errors import UnknownStore
from msgstate_server.store.copyable import Copyable
from msgstate_server.store.protocol import Auditable, Store
from msgstate_server.store.sqlite import SqliteAuditor, SqliteCopyable, SqliteStore, SqliteUpkeep
from msgstate_server.store.upkeep import Maintainable

_SQLITE: Final = "sqlite:///"
_POSTGRES: Final = ("postgresql://", "postgres://")
# Too much is left out rather than too little: a password that nobody encoded may hold a slash, an @ or a question mark.
_USER: Final = re.compile(r"^([a-z][a-z0-9+.-]*:/{0,2}(?!/)[^:]*):.*@", re.IGNORECASE | re.DOTALL)
_PARAMETER: Final = re.compile(r"(passw(?:or)?d=)[^&]*", re.IGNORECASE)


async def open_store(url: str, clock: Callable[[], int]) -> Store:
    """Open the store for one server; `clock` gives commit times in microseconds. Raises `StoreUnusable`."""
    if url.startswith(_POSTGRES):
        shared: Store = await _postgres().PostgresStore.open(url, clock)
        return shared
    return await SqliteStore.open(_sqlite_path(url), clock)


def auditor(url: str) -> Auditable:
    """The store to be checked, beside a running server or without one; raises `StoreUnusable`."""
    if url.startswith(_POSTGRES):
        shared: Auditable = _postgres().PostgresAuditor(url)
        return shared
    return SqliteAuditor(_sqlite_path(url))


def copyable(url: str) -> Copyable:
    """The store to be copied, or to be made by a copy; raises `StoreUnusable`."""
    if url.startswith(_POSTGRES):
        shared: Copyable = _postgres().PostgresCopyable(url)
        return shared
    return SqliteCopyable(_sqlite_path(url))


def upkeep(url: str) -> Maintainable:
    """The store to be looked at or migrated; raises `StoreUnusable`."""
    if url.startswith(_POSTGRES):
        shared: Maintainable = _postgres().PostgresUpkeep(url)
        return shared
    return SqliteUpkeep(_sqlite_path(url))


def file_upkeep(url: str) -> SqliteUpkeep:
    """The SQLite file to be compacted; raises `UnknownStore` where the store is none."""
    if url.startswith(_POSTGRES):
        raise UnknownStore(
            "store: must be a SQLite file; PostgreSQL reuses free space by itself, and `VACUUM FULL` gives it back"
        )
    return SqliteUpkeep(_sqlite_path(url))


def without_password(url: str) -> str:
    """The URL as it may be shown: `***` for the password between user and host, and for that of a parameter."""
    return _USER.sub(r"\1:***@", _PARAMETER.sub(r"\1***", url))


def _postgres() -> ModuleType:
    """The engine that is an extra of its own, imported where it is asked for."""
    try:
        return import_module("msgstate_server.store.postgres")
    except ModuleNotFoundError as error:
        if error.name != "asyncpg":
            raise
        raise UnknownStore(
            "store: PostgreSQL needs the extra `postgres`, from where msgstate came: "
            "pip install '/path/to/msgstate[server,postgres]'"
        ) from error


def _sqlite_path(url: str) -> Path:
    # No path holds U+0000, and what is asked of one that does is answered with all kinds of errors.
    if not url.startswith(_SQLITE) or url == _SQLITE or "\0" in url:
        found = without_password(url)
        raise UnknownStore(
            "store: must be sqlite:///FILE (sqlite:////FILE for an absolute path) or postgresql://USER@HOST/DATABASE; "
            f"found {found!r}"
        )
    return Path(url.removeprefix(_SQLITE))
