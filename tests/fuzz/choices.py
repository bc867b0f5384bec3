"""Decisions read from bytes: any bytes make a case, and bytes that changed a little one that changed a little."""

from collections.abc import Sequence
from typing import Final, TypeVar

_T = TypeVar("_T")
_LONG: Final = 256


class Choices:
    """Reads what to do from bytes; where they end, the first of everything is chosen."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self, below: int) -> int:
        """A number from 0 on."""
        if below <= 1:
            return 0
        size = 1 if below <= _LONG else 2
        return int.from_bytes(self.take(size), "big") % below

    def pick(self, values: Sequence[_T]) -> _T:
        """One of them."""
        return values[self.number(len(values))]

    def chance(self, one_in: int) -> bool:
        """Whether something rare happens; not where the bytes have ended."""
        return self.number(one_in) == one_in - 1

    def take(self, size: int) -> bytes:
        """The next bytes, fewer at the end."""
        taken = self._data[self._at : self._at + size]
        self._at += size
        return taken

    def rest(self) -> bytes:
        """All bytes that are left."""
        return self.take(len(self._data))
