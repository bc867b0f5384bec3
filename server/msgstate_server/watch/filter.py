"""Which entries of the log a watcher wants."""

from collections.abc import Callable, Iterator, Sequence
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

    Ids and addresses are as the log has them, so that filters that mean the same are equal. Refs and metadata are those
    of the entry's recipient, which must have all pairs of `metadata`.
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
    message_refs: Names = frozenset()
    metadata: frozenset[tuple[str, str]] = frozenset()

    def predicate(self) -> Predicate:
        """Whether an entry matches."""
        return _all(self._tests())

    def _tests(self) -> list[Predicate]:
        """One test for each thing that is asked for, the most selective first."""
        return [*self._tests_of_names(), *self._tests_of_facts()]

    def _tests_of_names(self) -> Iterator[Predicate]:
        message_ids, refs, recipients, providers = self.message_ids, self.message_refs, self.recipients, self.providers
        if message_ids:
            yield lambda entry: entry.event.message_id in message_ids
        if refs:
            yield lambda entry: any(ref in refs for ref in entry.message_refs)
        if recipients:
            yield lambda entry: entry.event.recipient in recipients
        if self.moved_alone:
            yield lambda entry: entry.moved
        if providers:
            yield lambda entry: entry.event.provider in providers

    def _tests_of_facts(self) -> Iterator[Predicate]:
        to_states, types, since, pairs = self.to_states, self.types, self.since, self.metadata
        if to_states:
            yield lambda entry: entry.after.state in to_states
        if types:
            yield lambda entry: entry.event.type in types
        if pairs:
            yield lambda entry: pairs <= entry.metadata.items()
        if since:
            yield lambda entry: entry.commit_time >= since
        if self.shard_count > 1:
            index, count = self.shard_index, self.shard_count
            yield lambda entry: shard(entry.event.provider, entry.event.message_id, count) == index


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
