"""A zone map: the lowest update time in each block of recipients, as far as lists have looked.

A list of those who were not updated since a time passes over all who were. What it once saw of a block need not be read
again: no update time falls, and ids only grow, so that nobody is added below the newest recipient. That holds for as
long as one server has the file.
"""

from typing import NamedTuple


class _Zone(NamedTuple):
    first: int
    lowest: int


class ZoneMap:
    """The lowest update times of blocks of ids, by where each block ends; to be used by one thread at a time."""

    def __init__(self) -> None:
        """Begin with none."""
        self._zones: dict[int, _Zone] = {}

    def remember(self, first: int, before: int, lowest: int) -> None:
        """Keep the lowest update time of the ids from `first` to `before`, none of which is still to be given out."""
        self._zones[before] = _Zone(first, lowest)

    def skip(self, before: int, updated_before: int) -> int:
        """Where a list goes on that came to `before`: below the blocks in which all were updated at a time or later."""
        while (zone := self._zones.get(before)) and zone.lowest >= updated_before:
            before = zone.first
        return before
