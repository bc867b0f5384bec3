"""Watches with equal filters share a group: what matches is found, written and put together once for all of them."""

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from operator import attrgetter

from msgstate_server.domain.log import LogEntry
from msgstate_server.watch.filter import Filter
from msgstate_server.watch.token import Token
from msgstate_server.watch.wire import Batch, Wire, fitting

_position = attrgetter("position")


class Slot:
    """An entry in the window, with what it is written as, and the groups of which it is the first."""

    __slots__ = ("_written", "entry", "first_of", "position")

    def __init__(self, entry: LogEntry) -> None:
        """An entry that no group holds yet."""
        self.entry = entry
        self.position = entry.position
        self.first_of: set[Group] = set()
        self._written: dict[Wire, bytes] = {}

    def written(self, wire: Wire) -> bytes:
        """The entry as this kind of watch writes it: written when it is first sent, and once."""
        item = self._written.get(wire)
        if item is None:
            item = self._written[wire] = wire.item(self.entry)
        return item


class Group:
    """The entries of the window that match one filter, for all who watch with it.

    It has every match beyond `start`: who stands before that must read the log.
    """

    def __init__(self, wanted: Filter, wire: Wire, start: int) -> None:
        """Begin with no entries."""
        self.wanted = wanted
        self.wire = wire
        self.start = start
        self.members = 0
        self.is_over = False
        """Whether what it had may be undone: its members ask the log whether their place still holds."""
        self.matches = wanted.predicate()
        self._slots: deque[Slot] = deque()
        self._waiting: set[asyncio.Future[Token]] = set()

    def add(self, slot: Slot) -> None:
        """Hold the next entry, which matches."""
        if not self._slots:
            slot.first_of.add(self)
        self._slots.append(slot)

    def drop_through(self, position: int) -> None:
        """Let go of the entries that leave the window, up to a position: who has not got them has overflowed."""
        while self._slots and self._slots[0].position <= position:
            self.start = self._slots.popleft().position
        if self._slots:
            self._slots[0].first_of.add(self)

    def clear(self) -> None:
        """Let go of every entry."""
        if self._slots:
            self._slots[0].first_of.discard(self)
        self._slots.clear()

    def write(self, position: int, most: int, end: Token, head_position: int) -> Batch | None:
        """What comes after a position; None where nothing matched. `end` is where the window ends."""
        first = bisect_right(self._slots, position, key=_position)
        if first == len(self._slots):
            return None
        items = fitting(self._written(first), most)
        last = first + len(items) - 1
        # What did not match up to the window's end is covered too, once everything that did is in.
        is_all = last == len(self._slots) - 1
        token = end if is_all else end.through(self._slots[last].entry)
        live = is_all and end.position == head_position
        return Batch(self.wire.response(items, token, live, head_position), len(items), token, live)

    def _written(self, first: int) -> Iterator[bytes]:
        return (slot.written(self.wire) for slot in islice(self._slots, first, None))

    def waiter(self) -> "asyncio.Future[Token]":
        """Waits until something matches; its result is the token up to which nothing did."""
        waiter: asyncio.Future[Token] = asyncio.get_running_loop().create_future()
        self._waiting.add(waiter)
        return waiter

    def forget(self, waiter: "asyncio.Future[Token]") -> None:
        """Wake one no more."""
        self._waiting.discard(waiter)

    def fail(self, error: Callable[[], Exception]) -> None:
        """End all who wait, each with an error of its own."""
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_exception(error())

    def wake(self, covered: Token) -> None:
        """Let all who wait look again: up to `covered` nothing matched."""
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(covered)
