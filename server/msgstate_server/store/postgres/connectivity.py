"""Whether the database can be reached, as far as those reads tell that are made all the time."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from msgstate_server.domain.errors import StoreUnavailable

_AWAY_SECONDS: Final = 2.0
"""How long nothing can be read before the database counts as away: a connection that broke is made anew meanwhile."""


class Connectivity:
    """What reads told last."""

    def __init__(self) -> None:
        """Begin with a database that was just reached."""
        self._read_at = time.monotonic()
        self._is_away = asyncio.Event()
        self._is_back = asyncio.Event()
        self._is_back.set()

    @contextmanager
    def observe(self) -> Iterator[None]:
        """Take note of what becomes of the read within."""
        try:
            yield
        except StoreUnavailable:
            if time.monotonic() - self._read_at >= _AWAY_SECONDS:
                self._is_back.clear()
                self._is_away.set()
            raise
        else:
            self._read_at = time.monotonic()
            self._is_away.clear()
            self._is_back.set()

    async def wait_until_away(self) -> None:
        """See `Store`."""
        await self._is_away.wait()

    async def wait_until_back(self) -> None:
        """See `Store`."""
        await self._is_back.wait()
