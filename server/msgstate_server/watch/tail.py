"""The end of the log, read once for all live watchers and kept in a bounded window."""

import asyncio
from contextlib import suppress
from typing import Final

from msgstate_server.domain.log import Head, LogEntry
from msgstate_server.store.protocol import Store

WINDOW: Final = 4_096
"""Entries kept: a watcher that falls further behind reads the log by itself."""
_PAGE: Final = 1_000


class Tail:
    """Follows the store's head. What a watcher needs of it is a position, so a slow one costs nothing."""

    def __init__(self, store: Store, window: int) -> None:
        """Start where the log stands."""
        self._store = store
        self._window = window
        self._entries: list[LogEntry] = []
        self._advanced = asyncio.Event()
        self._head = store.head
        self.watchers = 0

    @property
    def head(self) -> Head:
        """Where the window ends."""
        return self._head

    async def run(self) -> None:
        """Follow the head until cancelled."""
        while True:
            head = await self._store.wait_for_head(self._head.position)
            if self.watchers:
                await self._read_up_to(head)
            else:
                self._entries.clear()
            self._head = head
            self.wake()

    async def _read_up_to(self, head: Head) -> None:
        # An earlier attempt may have failed midway; what it read stands in the window.
        position = self._entries[-1].position if self._entries else self._head.position
        while position < head.position:
            page = await self._store.read_log(position, min(_PAGE, head.position - position))
            position = page[-1].position
            self._entries.extend(page)
            del self._entries[: -self._window]

    def after(self, position: int, limit: int) -> list[LogEntry] | None:
        """Up to `limit` entries after a position, or None where the window does not reach back to it."""
        if not self._entries or position + 1 < self._entries[0].position:
            return None
        start = position + 1 - self._entries[0].position
        return self._entries[start : start + limit]

    async def wait_beyond(self, position: int, seconds: float) -> None:
        """Return when the head is beyond a position, when woken, or after a time."""
        if self._head.position > position:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._advanced.wait()

    def wake(self) -> None:
        """Let every waiting watcher look again."""
        advanced, self._advanced = self._advanced, asyncio.Event()
        advanced.set()
