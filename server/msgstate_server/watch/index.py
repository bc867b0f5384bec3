"""Finds the groups that an entry may concern, however many there are that it does not."""

from collections.abc import Iterator
from itertools import chain

from msgstate_server.domain.log import LogEntry
from msgstate_server.watch.filter import Filter
from msgstate_server.watch.group import Group
from msgstate_server.watch.wire import Wire

_Named = dict[str, set[Group]]


class Index:
    """All groups. Those that name messages, or else recipients or providers, are found by these names alone."""

    def __init__(self) -> None:
        """Begin with no group."""
        self._groups: dict[tuple[Filter, Wire], Group] = {}
        self._by_message: _Named = {}
        self._by_recipient: _Named = {}
        self._by_provider: _Named = {}
        self._others: set[Group] = set()

    def __len__(self) -> int:
        return len(self._groups)

    def __iter__(self) -> Iterator[Group]:
        return iter(self._groups.values())

    def find(self, wanted: Filter, wire: Wire) -> Group | None:
        """The group of a filter, if there is one."""
        return self._groups.get((wanted, wire))

    def add(self, group: Group) -> None:
        """Take in a group."""
        self._groups[group.wanted, group.wire] = group
        names, named = self._place(group)
        for name in names:
            named.setdefault(name, set()).add(group)
        if not names:
            self._others.add(group)

    def remove(self, group: Group) -> None:
        """Forget a group."""
        del self._groups[group.wanted, group.wire]
        names, named = self._place(group)
        for name in names:
            named[name].discard(group)
            if not named[name]:
                del named[name]
        self._others.discard(group)

    def _place(self, group: Group) -> tuple[frozenset[str], _Named]:
        wanted = group.wanted
        if wanted.message_ids:
            return wanted.message_ids, self._by_message
        if wanted.recipients:
            return wanted.recipients, self._by_recipient
        return wanted.providers, self._by_provider

    def matching(self, entry: LogEntry) -> list[Group]:
        """The groups that want an entry."""
        event = entry.event
        named = (
            self._by_message.get(event.message_id, ()),
            self._by_recipient.get(event.recipient, ()),
            self._by_provider.get(event.provider, ()),
        )
        return [group for group in chain(*named, self._others) if group.matches(entry)]
