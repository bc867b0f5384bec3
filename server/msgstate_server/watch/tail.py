"""The end of the log, read once for all who follow it and kept in a bounded window."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from msgstate_server.domain.errors import HistoryDiverged, PositionCompacted
from msgstate_server.domain.log import LogEntry
from msgstate_server.store.protocol import Store
from msgstate_server.watch.filter import Filter
from msgstate_server.watch.group import Group, Slot
from msgstate_server.watch.index import Index
from msgstate_server.watch.token import Token
from msgstate_server.watch.wire import Batch, Wire

WINDOW: Final = 2_048
"""Entries kept: a watcher that falls further behind reads the log by itself."""
_PAGE: Final = 250
"""Entries that are read at once: in between, watchers are served."""
_STEP_SECONDS: Final = 0.005
"""Computing after which matching stops, so that all else goes on."""
_BATCHES: Final = 64
"""Responses kept for those who come to the same place: whoever follows the log is at one of few."""
_Place = tuple[Group, int, int, int]


class Tail:
    """Follows the store's head while there is anyone to follow it for. `token` says up to where."""

    def __init__(self, store: Store, window: int) -> None:
        """Prepare to follow."""
        self._store = store
        self._window = window
        self._page = min(_PAGE, window)
        self._slots: deque[Slot] = deque()
        self._groups = Index()
        self._to_tell: set[Group] = set()
        self._followed = asyncio.Event()
        self._batches: dict[_Place, Batch] = {}
        self.token = Token.at(store.head)

    @property
    def head_position(self) -> int:
        """The last position that is known: the window's end, once it was read, or the store's."""
        return max(self._store.head.position, self.token.position)

    @property
    def is_at_head(self) -> bool:
        """Whether the window reaches up to the last position that is known."""
        return self.token.position >= self._store.head.position

    async def advance(self) -> None:
        """Take in what is next, once it is there. Raises what reading the log raises; called again, it goes on."""
        try:
            while not self._groups or self._store.head.position <= self.token.position:
                await self._followed.wait()
                await self._store.wait_for_head(self.token.position)
            token = self.token
            page = await self._store.follow_log(token.position, self._page, token.fingerprint)
        except PositionCompacted:
            self._start_over()
            return
        except HistoryDiverged:
            self._begin_anew()
            return
        # Whenever others had their turn, the last follower may have left, and the next one begun at another place.
        while page and token is self.token and self._groups:
            page = page[self._take_in(page) :]
            token = self.token
            await asyncio.sleep(0)

    def _take_in(self, page: Sequence[LogEntry]) -> int:
        """Give entries to the groups that want them, and wake only those; gives how many there was time for."""
        found = self._match(page)
        matched: set[Group] = set()
        for slot, groups in found:
            for group in groups:
                group.add(slot)
            matched.update(groups)
            self._slots.append(slot)
        before, self.token = self.token, self.token.through(page[len(found) - 1])
        self._batches.clear()
        self._drop_oldest()
        if self.is_at_head:
            matched |= self._to_tell
            self._to_tell.clear()
        for group in matched:
            group.wake(before)
        return len(found)

    def _match(self, page: Sequence[LogEntry]) -> list[tuple[Slot, list[Group]]]:
        """Who wants the first entries, one at least. Nothing is changed, so that it may fail and be called again."""
        # Of this thread alone: on a machine that is busy with other things pages are not cut smaller. To read its clock
        # takes as long as to match an entry, so another one is read first, which is never behind.
        early, end = time.perf_counter() + _STEP_SECONDS, time.thread_time() + _STEP_SECONDS
        found: list[tuple[Slot, list[Group]]] = []
        for entry in page:
            found.append((Slot(entry), self._groups.matching(entry)))
            if time.perf_counter() >= early and time.thread_time() >= end:
                break
        return found

    def _drop_oldest(self) -> None:
        overflowed: set[Group] = set()
        position = 0
        while len(self._slots) > self._window:
            slot = self._slots.popleft()
            overflowed |= slot.first_of
            position = slot.position
        for group in overflowed:
            group.drop_through(position)

    def _start_over(self) -> None:
        """Retention was faster: nobody can say from here what was deleted, so all must ask the log."""
        before, self.token = self.token, Token.at(self._store.head)
        self._slots.clear()
        for group in self._groups:
            group.clear()
            group.start = self.token.position
        self._batches.clear()
        self.wake_all(before)

    def _begin_anew(self) -> None:
        """What was read may be undone: each watch must ask the log whether its own place still holds."""
        before, self.token = self.token, Token.at(self._store.head)
        self._slots.clear()
        self._to_tell.clear()
        self._batches.clear()
        for group in list(self._groups):
            self._groups.remove(group)
            group.clear()
            group.is_over = True
            group.wake(before)
        self._followed.clear()

    def is_near(self, position: int) -> bool:
        """Whether the head is at most a window away."""
        return self.head_position - position <= self._window

    def join(self, wanted: Filter, wire: Wire, position: int) -> Group:
        """Follow the log from a position on, as one of the filter's group."""
        group = self._groups.find(wanted, wire)
        if group is None:
            if not self._groups:
                # Never back: what was committed is read here before the store shows it, and waited for beyond it.
                if self._store.head.position > self.token.position:
                    self.token = Token.at(self._store.head)
                self._followed.set()
            group = self._new_group(wanted, wire, position)
            self._groups.add(group)
        group.members += 1
        return group

    def _new_group(self, wanted: Filter, wire: Wire, position: int) -> Group:
        window_start = self.token.position - len(self._slots)
        group = Group(wanted, wire, min(max(position, window_start), self.token.position))
        for slot in self._slots if position < self.token.position else ():
            if slot.position > group.start and group.matches(slot.entry):
                group.add(slot)
        return group

    def leave(self, group: Group) -> None:
        """End what `join` began."""
        group.members -= 1
        if group.members or group.is_over:
            return
        self._groups.remove(group)
        self._to_tell.discard(group)
        group.clear()
        if not self._groups:
            self._followed.clear()
            self._slots.clear()
            self._batches.clear()

    def next_batch(self, group: Group, position: int, most: int) -> Batch | None:
        """What comes after a position, the same bytes for all of a group who are there; None where nothing matched."""
        head_position = self.head_position
        key = (group, position, most, head_position)
        batch = self._batches.get(key)
        if batch is None:
            batch = group.write(position, most, self.token, head_position)
            if batch is not None:
                self._keep(key, batch)
        return batch

    def _keep(self, key: _Place, batch: Batch) -> None:
        if len(self._batches) == _BATCHES:
            del self._batches[next(iter(self._batches))]
        self._batches[key] = batch

    async def wait(self, group: Group, due: float, *, tell_head: bool) -> Token:
        """Wait until something matches or is due, or until the head is reached where that is to be told.

        Gives the token up to which nothing matched.
        """
        if tell_head:
            self._to_tell.add(group)
        waiter = group.waiter()
        timer = asyncio.get_running_loop().call_at(due, self._expire, waiter)
        try:
            return await waiter
        finally:
            timer.cancel()
            group.forget(waiter)

    def _expire(self, waiter: asyncio.Future[Token]) -> None:
        if not waiter.done():
            waiter.set_result(self.token)

    def wake_all(self, covered: Token | None = None) -> None:
        """Let everyone who waits look again; up to `covered`, or the window's end, nothing matched."""
        for group in self._groups:
            group.wake(covered or self.token)

    def fail_all(self, error: Callable[[], Exception]) -> None:
        """End everyone who waits, each with an error of its own."""
        for group in self._groups:
            group.fail(error)
