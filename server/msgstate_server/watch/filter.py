"""Which entries of the log a watcher wants."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from msgstate_server.domain.events import EventType
from msgstate_server.domain.log import LogEntry
from msgstate_server.domain.states import State
from msgstate_server.watch.names import Names

Predicate = Callable[[LogEntry], bool]


class Filter(NamedTuple):
    """What must match; an empty set matches all. Of `shard_count` shares, only number `shard_index`.

    Ids and addresses are as the log has them, so that filters that mean the same are equal.
    With `moved_alone` only transitions match. `since` is a commit time in microseconds: a watch that starts at a time
    to come must not see what comes before it.
    """

    providers: Names = frozenset()
    message_ids: Names = frozenset()
    recipients: Names = frozenset()
    to_states: frozenset[State] = frozenset()
    types: frozenset[EventType] = frozenset()
    shard_index: int = 0
    shard_count: int = 1
    since: int = 0
    moved_alone: bool = False

    def predicate(self) -> Predicate:
        """Whether an entry matches."""
        return _all(self._tests())

    def _tests(self) -> list[Predicate]:
        """One test for each thing that is asked for, the most selective first."""
        message_ids, recipients, providers = self.message_ids, self.recipients, self.providers
        tests: list[Predicate] = []
        if message_ids:
            tests.append(lambda entry: entry.event.message_id in message_ids)
        if recipients:
            tests.append(lambda entry: entry.event.recipient in recipients)
        if self.moved_alone:
            tests.append(lambda entry: entry.moved)
        if providers:
            tests.append(lambda entry: entry.event.provider in providers)
        if self.to_states:
            to_states = self.to_states
            tests.append(lambda entry: entry.after.state in to_states)
        if self.types:
            types = self.types
            tests.append(lambda entry: entry.event.type in types)
        if self.since:
            since = self.since
            tests.append(lambda entry: entry.commit_time >= since)
        if self.shard_count > 1:
            index, count = self.shard_index, self.shard_count
            tests.append(lambda entry: shard(entry.event.provider, entry.event.message_id, count) == index)
        return tests


def _all(tests: Sequence[Predicate]) -> Predicate:
    """Whether all of the tests hold; the few that most watches have cost no loop."""
    match tests:
        case []:
            return lambda _: True
        case [test]:
            return test
        case [first, second]:
            return lambda entry: first(entry) and second(entry)
        case _:
            return lambda entry: all(test(entry) for test in tests)


def shard(provider: str, message_id: str, count: int) -> int:
    """The share of a message among `count`: part of the contract, written beside the proto's `shard_index`."""
    return _digest(provider, message_id) % count


@lru_cache(maxsize=1)
def _digest(provider: str, message_id: str) -> int:
    """A message's; that of the last one is kept, since one entry after another is held against all filters."""
    return int.from_bytes(blake2b(f"{provider}\0{message_id}".encode(), digest_size=8).digest(), "big")
