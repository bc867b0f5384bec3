"""Transitions as watchers get them: built once, however many watch."""

from itertools import islice
from typing import Final

from msgstate.v1 import log_pb2
from msgstate_server.domain.log import LogEntry
from msgstate_server.rpc.conversion import FIELD_OVERHEAD, transition_to_proto

_KEPT: Final = 1_024
"""Transitions that are kept: live watchers get the same ones within moments of each other."""

Sized = tuple[log_pb2.Transition, int]
"""A transition, and the bytes that it takes in a response."""


class RecentTransitions:
    """Converts entries of one log, each of the recent ones once."""

    def __init__(self) -> None:
        """Start with none."""
        self._by_position: dict[int, Sized] = {}

    def of(self, entry: LogEntry) -> Sized:
        """The transition that an entry is; not to be changed."""
        found = self._by_position.get(entry.position)
        if found is None:
            transition = transition_to_proto(entry)
            found = transition, transition.ByteSize() + FIELD_OVERHEAD
            self._by_position[entry.position] = found
            for position in list(islice(self._by_position, max(0, len(self._by_position) - _KEPT))):
                del self._by_position[position]
        return found
