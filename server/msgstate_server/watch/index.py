"""Finds the groups that an entry may concern, however many there are that it does not."""

from array import array
from bisect import bisect_left, insort
from collections.abc import Collection, Iterator
from typing import Final

from msgstate_server.domain.log import LogEntry
from msgstate_server.watch.filter import Filter
from msgstate_server.watch.group import Group
from msgstate_server.watch.names import Names, hashes
from msgstate_server.watch.wire import Wire

_BUCKET_BITS: Final = 10
_BUCKETS: Final = 1 << _BUCKET_BITS
_NUMBER_BITS: Final = 20
_NUMBERS: Final = 1 << _NUMBER_BITS
_HASHES: Final = 1 << 64 - _NUMBER_BITS


class _Named:
    """The numbers of the groups that ask for a name: 8 bytes for each name, since there may be millions.

    A part of a name's hash chooses a bucket. The bucket has, in order, another part of it with the number below.
    """

    def __init__(self) -> None:
        self._buckets = [array("Q") for _ in range(_BUCKETS)]

    def add(self, names: Names, number: int) -> None:
        for each in hashes(names):
            insort(self._buckets[each % _BUCKETS], _first(each) + number)

    def remove(self, names: Names, number: int) -> None:
        for each in hashes(names):
            bucket = self._buckets[each % _BUCKETS]
            del bucket[bisect_left(bucket, _first(each) + number)]

    def find(self, name: str) -> Collection[int]:
        """The groups that ask for it, and seldom another whose name has the same parts of a hash."""
        each = hash(name)
        bucket = self._buckets[each % _BUCKETS]
        if not bucket:
            return ()
        first = _first(each)
        begin = bisect_left(bucket, first)
        if begin == len(bucket) or bucket[begin] >= first + _NUMBERS:
            return ()
        return {item % _NUMBERS for item in bucket[begin : bisect_left(bucket, first + _NUMBERS, begin)]}


def _first(each: int) -> int:
    """The item that a group of number 0 would have in the hash's bucket."""
    return (each >> _BUCKET_BITS) % _HASHES * _NUMBERS


class Index:
    """All groups. Those that name messages, or else refs, recipients or providers, are found by these names alone."""

    def __init__(self) -> None:
        """Begin with no group."""
        self._numbers: dict[tuple[Filter, Wire], int] = {}
        self._groups: dict[int, Group] = {}
        self._free: list[int] = []
        self._by_message = _Named()
        self._by_ref = _Named()
        self._by_recipient = _Named()
        self._by_provider = _Named()
        self._others: set[int] = set()

    def __len__(self) -> int:
        return len(self._groups)

    def __iter__(self) -> Iterator[Group]:
        return iter(self._groups.values())

    def find(self, wanted: Filter, wire: Wire) -> Group | None:
        """The group of a filter, if there is one."""
        number = self._numbers.get((wanted, wire))
        return None if number is None else self._groups[number]

    def add(self, group: Group) -> None:
        """Take in a group."""
        number = self._free.pop() if self._free else len(self._groups)
        self._numbers[group.wanted, group.wire] = number
        self._groups[number] = group
        names, named = self._place(group)
        if names:
            named.add(names, number)
        else:
            self._others.add(number)

    def remove(self, group: Group) -> None:
        """Forget a group."""
        number = self._numbers.pop((group.wanted, group.wire))
        del self._groups[number]
        self._free.append(number)
        names, named = self._place(group)
        named.remove(names, number)
        self._others.discard(number)

    def _place(self, group: Group) -> tuple[Names, _Named]:
        wanted = group.wanted
        if wanted.message_ids:
            return wanted.message_ids, self._by_message
        if wanted.message_refs:
            return wanted.message_refs, self._by_ref
        if wanted.recipients:
            return wanted.recipients, self._by_recipient
        return wanted.providers, self._by_provider

    def matching(self, entry: LogEntry) -> list[Group]:
        """The groups that want an entry."""
        event = entry.event
        numbers = [
            *self._by_message.find(event.message_id),
            *self._by_recipient.find(event.recipient),
            *self._by_provider.find(event.provider),
            *self._others,
        ]
        for ref in entry.message_refs:
            numbers += self._by_ref.find(ref)
        return [group for group in map(self._groups.__getitem__, numbers) if group.matches(entry)] if numbers else []
