"""Sets of texts that take little memory, however long the texts: filters have thousands, as long as a watch lasts."""

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, TypeAlias

_FEW: Final = 16
_SHORT: Final = 1_024
"""Texts that are held as they are: at most so many, of so many characters in all."""


class Hashes:
    """A set of texts of which 12 bytes are held for each: two hashes, which Python draws anew for each process.

    Nothing but their 96 bits is compared, so that one text is taken for another as good as never.
    """

    __slots__ = ("_checks", "_hash", "first")

    def __init__(self, texts: Iterable[str]) -> None:
        """Hold what stands for the texts; `first` has one hash of each, in order."""
        found = sorted({hash(text): _check(text) for text in texts}.items())
        self.first = array("q", [first for first, _ in found])
        self._checks = array("I", [check for _, check in found])
        self._hash = hash(self.first.tobytes())

    def __len__(self) -> int:
        return len(self.first)

    def __contains__(self, text: str) -> bool:
        first, wanted = self.first, hash(text)
        at = bisect_left(first, wanted)
        return at < len(first) and first[at] == wanted and self._checks[at] == _check(text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Hashes):
            return NotImplemented
        return self.first == other.first and self._checks == other._checks

    def __hash__(self) -> int:
        return self._hash


@lru_cache(maxsize=16)
def _check(text: str) -> int:
    """Half of another hash; the last ones are kept, since one entry after another is held against all filters."""
    return hash(f"{text}\0") & 0xFFFF_FFFF


Names: TypeAlias = frozenset[str] | Hashes
"""What a filter names: ids, addresses or providers."""


def names(texts: Iterable[str]) -> Names:
    """The texts themselves, which are the fastest, where these are few and short."""
    held = frozenset(texts)
    return held if len(held) <= _FEW and sum(map(len, held)) <= _SHORT else Hashes(held)


def hashes(held: Names) -> Iterable[int]:
    """One hash of each text: what `hash` gives for it."""
    return held.first if isinstance(held, Hashes) else map(hash, held)
