"""Proves that two stores hold the same, row by row."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from itertools import count

from msgstate_server.store.check import Finding
from msgstate_server.store.copyable import TABLES, Key, Row, Table, View


async def compare(source: View, destination: View, rows: int, advance: Callable[[int], None]) -> AsyncIterator[Finding]:
    """Where the two differ: of each table the first place. `rows` are read at a time; `advance` counts equal ones."""
    for table in TABLES:
        async for finding in _compare(table, _Reader(source, table, rows), _Reader(destination, table, rows), advance):
            yield finding
    found, expected = await destination.standing(), await source.standing()
    if found != expected:
        yield Finding("head", f"is {found.shown()} in DEST, and {expected.shown()} in SOURCE")


class _Reader:
    """Reads a table batch after batch."""

    def __init__(self, view: View, table: Table, rows: int) -> None:
        self._view, self._table, self._rows = view, table, rows
        self._after: Key = table.beginning
        self.rows: Sequence[Row] = ()

    async def fill(self) -> None:
        """Read more, where nothing is left."""
        if not self.rows:
            self.rows = await self._view.read(self._table, self._after, self._rows)
            self._after = self._table.key_of(self.rows[-1]) if self.rows else self._after


async def _compare(
    table: Table, source: _Reader, destination: _Reader, advance: Callable[[int], None]
) -> AsyncIterator[Finding]:
    while True:
        await asyncio.gather(source.fill(), destination.fill())
        size = min(len(source.rows), len(destination.rows))
        if not size:
            break
        left, right = source.rows[:size], destination.rows[:size]
        if left != right:
            index = next(index for index in count() if left[index] != right[index])
            yield _finding(table, left[index], right[index])
            return
        source.rows, destination.rows = source.rows[size:], destination.rows[size:]
        advance(size)
    for reader, place in ((source, "SOURCE"), (destination, "DEST")):
        if reader.rows:
            yield Finding(_where(table, reader.rows[0]), f"is in {place} alone")


def _finding(table: Table, source: Row, destination: Row) -> Finding:
    """What differs, without what the rows say of people."""
    keys = table.key_of(source), table.key_of(destination)
    if keys[0] == keys[1]:
        pairs = zip(table.columns, source, destination, strict=True)
        columns = [name for name, left, right in pairs if left != right]
        return Finding(_where(table, source), f"differs in {', '.join(columns)}")
    only = (source, "SOURCE") if keys[0] < keys[1] else (destination, "DEST")
    return Finding(_where(table, only[0]), f"is in {only[1]} alone")


def _where(table: Table, row: Row) -> str:
    return " ".join((table.name, *map(str, table.key_of(row))))
