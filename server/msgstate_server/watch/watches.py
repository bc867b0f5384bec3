"""Watching the log: from a start, through what was, into what comes, with a checkpoint in every silence."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

import structlog

from msgstate_server.domain.errors import Draining, TooManyWatchers
from msgstate_server.domain.limits import WATCHERS
from msgstate_server.domain.log import LogEntry
from msgstate_server.store.protocol import Store
from msgstate_server.watch.filter import Predicate
from msgstate_server.watch.start import Start, resolve
from msgstate_server.watch.tail import WINDOW, Tail
from msgstate_server.watch.token import Token

PAGE: Final = 1_000
"""Entries looked at in one step: what a watcher holds in memory at most."""

_log = structlog.get_logger("msgstate.watch")


class WatchRequest(NamedTuple):
    """Where to start, which entries, the longest silence in seconds, and the most entries in one batch."""

    start: Start
    wanted: Predicate
    checkpoint_seconds: float
    max_batch: int


class Batch(NamedTuple):
    """The next entries, or none: then it is a checkpoint. `token` covers everything up to the batch's end."""

    entries: list[LogEntry]
    token: Token
    live: bool
    head_position: int


class Watches:
    """All watches of one server. Each holds a position and no queue: a slow one is served from the log."""

    def __init__(
        self,
        store: Store,
        max_watchers: int = WATCHERS,
        window: int = WINDOW,
        page: int = PAGE,
        retry_seconds: float = 0.2,
    ) -> None:
        """Prepare; `run` follows the store's head, and tries again after a time where the log cannot be read."""
        self._store = store
        self._tail = Tail(store, window)
        self._max_watchers = max_watchers
        self._page = page
        self._retry_seconds = retry_seconds
        self._draining = False

    async def run(self) -> None:
        """Follow the store's head until cancelled."""
        while True:
            try:
                await self._tail.run()
            except Exception:  # noqa: BLE001
                # Watches wait; whatever it is must not end the intake of events.
                _log.exception("the end of the log cannot be read")
                await asyncio.sleep(self._retry_seconds)

    def drain(self) -> None:
        """Let every watch send a last checkpoint and end with `Draining`."""
        self._draining = True
        self._tail.wake()

    async def watch(self, request: WatchRequest) -> AsyncGenerator[Batch, None]:
        """The batches of one watch, the first at once; see the guarantees beside `WatchTransitions` in the contract.

        Raises what `resolve` raises, `TooManyWatchers`, and `Draining` when the service stops.
        """
        with self._registered():
            token = await resolve(self._store, request.start)
            live = token.position >= self._store.head.position
            yield self._batch([], token, live)
            due = _now() + request.checkpoint_seconds
            while not self._draining:
                entries = await self._next(token.position, due)
                token = _after(entries, token)
                was_live, live = live, token.position >= self._tail.head.position
                wanted = [entry for entry in entries if request.wanted(entry)]
                for start in range(0, len(wanted), request.max_batch):
                    part = wanted[start : start + request.max_batch]
                    is_last = start + request.max_batch >= len(wanted)
                    yield self._batch(part, token if is_last else _after(part, token), live and is_last)
                if not wanted and (live is not was_live or _now() >= due):
                    yield self._batch([], token, live)
                elif not wanted:
                    continue
                due = _now() + request.checkpoint_seconds
            yield self._batch([], token, live)
        raise Draining("the service is shutting down; resume from the last token, here later or at another replica")

    async def _next(self, position: int, due: float) -> list[LogEntry]:
        """The next entries after a position, wanted or not; none where nothing came until `due`."""
        tail = self._tail
        if tail.head.position <= position:
            await tail.wait_beyond(position, due - _now())
        if tail.head.position <= position:
            return []
        entries = tail.after(position, self._page)
        return await self._store.read_log(position, self._page) if entries is None else entries

    def _batch(self, entries: list[LogEntry], token: Token, live: bool) -> Batch:
        return Batch(entries, token, live, max(self._store.head.position, token.position))

    @contextmanager
    def _registered(self) -> Iterator[None]:
        if self._tail.watchers >= self._max_watchers:
            raise TooManyWatchers(f"{self._max_watchers} watches are open, as many as this server serves; try later")
        self._tail.watchers += 1
        try:
            yield
        finally:
            self._tail.watchers -= 1


def _after(entries: list[LogEntry], token: Token) -> Token:
    """The token that covers these entries too."""
    return Token(token.log_id, entries[-1].position, entries[-1].fingerprint) if entries else token


def _now() -> float:
    return asyncio.get_running_loop().time()
