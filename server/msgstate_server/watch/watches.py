"""All watches of one server: how many there may be, what they share, and their end."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager, suppress
from typing import Final

import structlog

from msgstate_server.domain.errors import Draining, StoreUnavailable, TooManyWatchers
from msgstate_server.domain.limits import WATCHERS
from msgstate_server.store.protocol import Store
from msgstate_server.watch.filter import Filter
from msgstate_server.watch.pages import Pages
from msgstate_server.watch.start import resolve
from msgstate_server.watch.tail import WINDOW, Tail
from msgstate_server.watch.watcher import Watcher, WatchRequest
from msgstate_server.watch.wire import Batch

PAGE: Final = 1_000
"""Entries that a watcher reads at a time at most, while it catches up."""
_FAILURES: Final = 4
"""Tries in a row after which waiting watches end, with 1.4 s between the first and the last of them."""
_DOUBLINGS: Final = 4
"""How often the time between two tries doubles: from 0.2 s to 3.2."""

_log = structlog.get_logger("msgstate.watch")


class Watches:
    """Each watch holds a place and no queue: one that is slow is served from the log."""

    def __init__(
        self,
        store: Store,
        max_watchers: int = WATCHERS,
        window: int = WINDOW,
        page: int = PAGE,
        retry_seconds: float = 0.2,
    ) -> None:
        """Prepare; `run` follows the store's head. Where the log cannot be read, it first tries again after a time."""
        self._store = store
        self._tail = Tail(store, window)
        self._pages = Pages(store, page)
        self._max_watchers = max_watchers
        self._retry_seconds = retry_seconds
        self._draining = False
        self.count = 0
        self._none_left = asyncio.Event()
        self._none_left.set()

    async def run(self) -> None:
        """Follow the store's head until cancelled."""
        failures = 0
        while True:
            try:
                await self._tail.advance()
            except Exception as error:  # noqa: BLE001
                # Whatever it is must not end the intake of events.
                failures += 1
                await self._bear(error, failures)
            else:
                if failures:
                    _log.info("the end of the log is read again", failures=failures)
                failures = 0

    async def _bear(self, error: Exception, failures: int) -> None:
        """Wait before the next try, each time longer. Watches wait too, until there were too many failures in a row."""
        if failures == 1:
            _log.error("the end of the log cannot be read", exc_info=not isinstance(error, StoreUnavailable))
        if failures >= _FAILURES:
            self._tail.fail_all(
                lambda: StoreUnavailable("the log cannot be read now; resume from the last token later")
            )
        await asyncio.sleep(self._retry_seconds * 2 ** min(failures - 1, _DOUBLINGS))

    def drain(self) -> None:
        """Let every watch send a last checkpoint and end with `Draining`."""
        self._draining = True
        self._tail.wake_all()

    async def ended(self, seconds: float) -> None:
        """Return when no watch is left, or after so long: one that does not read hears of no end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._none_left.wait()

    async def watch(self, request: WatchRequest) -> AsyncGenerator[Batch, None]:
        """What one watch sends, the first at once; see the guarantees beside `WatchTransitions` in the contract.

        Raises what `resolve` and reading the log raise, `TooManyWatchers`, and `Draining` when the service stops.
        """
        with self._counted():
            asked = request._replace(wanted=self._wanted(request))
            token = await resolve(self._store, request.start)
            watcher = Watcher(self._tail, self._pages, asked, token)
            async with aclosing(watcher.batches(lambda: self._draining)) as batches:
                async for batch in batches:
                    yield batch
        raise Draining("the service is shutting down; resume from the last token, here later or at another replica")

    def _wanted(self, request: WatchRequest) -> Filter:
        """The filter as it is compared with others; a start ahead of the log is part of it."""
        wanted, start = request.wanted, request.start
        if isinstance(start, int) and start > self._store.head.commit_time:
            return wanted._replace(since=start)
        return wanted

    @contextmanager
    def _counted(self) -> Iterator[None]:
        if self.count >= self._max_watchers:
            raise TooManyWatchers(f"{self._max_watchers} watches are open, as many as this server serves; try later")
        self.count += 1
        self._none_left.clear()
        try:
            yield
        finally:
            self.count -= 1
            if not self.count:
                self._none_left.set()
