"""One watch: a place that moves along the log, within the window where that has all that comes next."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from msgstate_server.failpoints import failpoint
from msgstate_server.watch.filter import Filter
from msgstate_server.watch.group import Group
from msgstate_server.watch.pages import Pages, Wanted
from msgstate_server.watch.start import Start
from msgstate_server.watch.tail import Tail
from msgstate_server.watch.token import Token
from msgstate_server.watch.wire import Batch, Wire

_FIRST_PAGE: Final = 128
"""Entries that are read at first; from then on what fits into a response tells how many."""


class WatchRequest(NamedTuple):
    """Where to start, which entries, how they are written, the longest silence in seconds, the most in one response."""

    start: Start
    wanted: Filter
    wire: Wire
    checkpoint_seconds: float
    max_batch: int


class Watcher:
    """Where one watch stands: all that it wants up to `_token` was sent. It keeps nothing of what is to be sent."""

    def __init__(self, tail: Tail, pages: Pages, request: WatchRequest, token: Token) -> None:
        """Stand behind a token."""
        self._tail = tail
        self._pages = pages
        self._wanted = Wanted(request.wanted, request.wanted.predicate(), request.wire, request.max_batch)
        self._silence = request.checkpoint_seconds
        self._token = token
        self._told_live = self._is_live()
        self._due = 0.0
        self._group: Group | None = None
        self._page = min(_FIRST_PAGE, pages.most)

    async def batches(self, is_draining: Callable[[], bool]) -> AsyncGenerator[Batch, None]:
        """What to send: a checkpoint at once, what comes, and a last checkpoint where the service drains."""
        try:
            first = self._checkpoint()
            with self._sending(first):
                yield first
            while not is_draining():
                batch = await self._next()
                if batch is not None:
                    with self._sending(batch):
                        yield batch
            last = self._checkpoint()
            with self._sending(last):
                yield last
        finally:
            self._leave()

    @contextmanager
    def _sending(self, batch: Batch) -> Iterator[None]:
        # The window is to keep what comes behind the batch, also while that is being sent.
        self._join_near(batch.token.position)
        failpoint("watch.before_send" if batch.entries else "watch.before_checkpoint")
        yield
        failpoint("watch.after_send" if batch.entries else "watch.after_checkpoint")
        self._token = batch.token
        self._told_live = batch.live
        self._due = _now() + self._silence

    async def _next(self) -> Batch | None:
        """The next response; None where there is none yet."""
        group = self._follow()
        if group is None:
            return await self._read_page()
        batch = self._tail.next_batch(group, self._token.position, self._wanted.most)
        if batch is not None:
            return batch
        self._cover(self._tail.token)
        if (self._is_live() and not self._told_live) or self._is_due():
            return self._checkpoint()
        self._cover(await self._tail.wait(group, self._due, tell_head=not self._told_live))
        return None

    def _follow(self) -> Group | None:
        """The group, where it has all that comes next; None where that must be read: too far behind, or overflowed."""
        position = self._token.position
        if self._group is not None and self._group.is_over:
            self._leave()
            return None
        self._join_near(position)
        if self._group is not None and position >= self._group.start:
            return self._group
        if not self._tail.is_near(position):
            self._leave()
        return None

    def _join_near(self, position: int) -> None:
        if self._group is None and self._tail.is_near(position):
            self._group = self._tail.join(self._wanted.filter, self._wanted.wire, position)

    async def _read_page(self) -> Batch | None:
        """One response of what comes next in the log; what was read beyond it is let go."""
        begin = self._token.position
        page = await self._pages.read(self._wanted, self._token, self._page)
        self._size_page(page.end.position - begin, page.is_cut)
        batch = page.batch(self._tail.head_position)
        if batch is None:
            self._cover(page.end)
            return self._checkpoint() if self._is_due() else None
        return batch

    def _size_page(self, used: int, is_cut: bool) -> None:
        """Read little more than fits into a response, and more again where it was too little."""
        size = used + used // 16 + 4 if is_cut else 2 * self._page
        self._page = min(size, self._pages.most)

    def _checkpoint(self) -> Batch:
        live, head_position = self._is_live(), max(self._tail.head_position, self._token.position)
        return Batch(self._wanted.wire.response([], self._token, live, head_position), 0, self._token, live)

    def _is_live(self) -> bool:
        return self._token.position >= self._tail.head_position

    def _cover(self, token: Token) -> None:
        """Pass over what did not match. The window may be behind, where the watch began at the log's very end."""
        if token.position > self._token.position:
            self._token = token

    def _is_due(self) -> bool:
        return _now() >= self._due

    def _leave(self) -> None:
        if self._group is not None:
            self._tail.leave(self._group)
            self._group = None


def _now() -> float:
    return asyncio.get_running_loop().time()
