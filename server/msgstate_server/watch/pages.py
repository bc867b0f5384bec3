"""Reads the log for those who catch up: who come to the same place with the same filter share what is read."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Final, NamedTuple

from msgstate_server.store.protocol import Store
from msgstate_server.watch.filter import Filter, Predicate
from msgstate_server.watch.token import Token
from msgstate_server.watch.wire import Batch, Wire, fitting

_KEPT: Final = 32
"""Pages that are kept for others who come to the same place soon."""
_Place = tuple[Filter, Wire, int, Token]


class Wanted(NamedTuple):
    """What is looked for in the log, how it is written, and the most in one response."""

    filter: Filter
    matches: Predicate
    wire: Wire
    most: int


class Page:
    """What matched up to `end`, as far as it fits into a response. `is_cut` says that what was read held more."""

    def __init__(self, wire: Wire, items: Sequence[bytes], end: Token, *, is_cut: bool) -> None:
        """Hold what is to be written."""
        self.end = end
        self.is_cut = is_cut
        self._wire = wire
        self._items = items
        self._batch: Batch | None = None
        self._head_position = -1

    def batch(self, head_position: int) -> Batch | None:
        """The response, the same bytes for all while the head stands there; None where nothing matched."""
        if self._items and self._head_position != head_position:
            self._head_position = head_position
            live = self.end.position >= head_position and not self.is_cut
            data = self._wire.response(self._items, self.end, live, max(head_position, self.end.position))
            self._batch = Batch(data, len(self._items), self.end, live)
        return self._batch


class Pages:
    """The pages that were read last, and those that are being read."""

    def __init__(self, store: Store, most: int) -> None:
        """Begin with none; `most` is how many entries to look at for one page at most."""
        self.most = most
        self._store = store
        self._recent: dict[_Place, asyncio.Task[Page]] = {}

    async def read(self, wanted: Wanted, begin: Token, size: int) -> Page:
        """Look at `size` entries after a token, or share such a page; raises what reading the log raises."""
        place = (wanted.filter, wanted.wire, wanted.most, begin)
        reading = self._recent.get(place)
        if reading is None:
            reading = self._recent[place] = asyncio.create_task(self._read(wanted, begin, size))
            reading.add_done_callback(partial(self._settle, place))
            if len(self._recent) > _KEPT:
                del self._recent[next(iter(self._recent))]
        # One who goes away must not take the page from the others.
        return await asyncio.shield(reading)

    def _settle(self, place: _Place, reading: asyncio.Task[Page]) -> None:
        """Keep neither a failure nor a page that the log may have grown beyond, be it that it covers nothing at all."""
        if reading.cancelled() or reading.exception() or self._may_grow(place, reading.result()):
            self._recent.pop(place, None)

    def _may_grow(self, place: _Place, page: Page) -> bool:
        # One that covers nothing is read where the store still shows what the log lost. Kept, it would be found again
        # and again without a wait in between, and the store would never look.
        return page.end == place[-1] or page.end.position >= self._store.head.position

    async def _read(self, wanted: Wanted, begin: Token, size: int) -> Page:
        entries = await self._store.read_log(begin.position, size, begin.fingerprint)
        matching = [entry for entry in entries if wanted.matches(entry)]
        items = fitting(map(wanted.wire.item, matching), wanted.most)
        is_cut = len(items) < len(matching)
        last = matching[len(items) - 1] if is_cut else entries[-1] if entries else None
        end = begin if last is None else begin.through(last)
        return Page(wanted.wire, items, end, is_cut=is_cut)
