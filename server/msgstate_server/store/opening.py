"""Finds the engine that a store's URL names."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from msgstate_server.domain.errors import UnknownStore
from msgstate_server.store.protocol import Auditable, Store
from msgstate_server.store.sqlite import SqliteAuditor, SqliteStore, SqliteUpkeep
from msgstate_server.store.upkeep import Maintainable

_SQLITE: Final = "sqlite:///"
# Too much is left out rather than too little: a password that nobody encoded may hold a slash, an @ or a question mark.
_USER: Final = re.compile(r"^([a-z][a-z0-9+.-]*:/{0,2}(?!/)[^:]*):.*@", re.IGNORECASE | re.DOTALL)
_PARAMETER: Final = re.compile(r"(passw(?:or)?d=)[^&]*", re.IGNORECASE)


async def open_store(url: str, clock: Callable[[], int]) -> Store:
    """Open the store for one server; `clock` gives commit times in microseconds. Raises `StoreUnusable`."""
    return await SqliteStore.open(_sqlite_path(url), clock)


def auditor(url: str) -> Auditable:
    """The store to be checked, beside a running server or without one; raises `StoreUnusable`."""
    return SqliteAuditor(_sqlite_path(url))


def upkeep(url: str) -> Maintainable:
    """The store to be looked at or migrated; raises `StoreUnusable`."""
    return SqliteUpkeep(_sqlite_path(url))


def without_password(url: str) -> str:
    """The URL as it may be shown: `***` for the password between user and host, and for that of a parameter."""
    return _USER.sub(r"\1:***@", _PARAMETER.sub(r"\1***", url))


def _sqlite_path(url: str) -> Path:
    # No path holds U+0000, and what is asked of one that does is answered with all kinds of errors.
    if not url.startswith(_SQLITE) or url == _SQLITE or "\0" in url:
        found = without_password(url)
        raise UnknownStore(f"store: must be sqlite:///FILE (sqlite:////FILE for an absolute path); found {found!r}")
    return Path(url.removeprefix(_SQLITE))
