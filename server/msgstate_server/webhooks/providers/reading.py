"""How a webhook's body becomes events: the walk that all providers share, whatever bytes come."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from msgstate_server.domain import limits
from msgstate_server.domain.decision import Problem
from msgstate_server.domain.events import Event
from msgstate_server.webhooks.providers.decoding import Unreadable, decode, require_sound


class Reported(NamedTuple):
    """An event as its provider told it, with the JSON pointer to the part of the body that did."""

    pointer: str
    event: Event


class Reading(NamedTuple):
    """What a body says. Every part of it is counted once: its events are here, or its problem, or it is ignored."""

    events: list[Reported]
    problems: list[Problem]
    ignored: int


class Part(NamedTuple):
    """One report in a body, with the JSON pointer to it."""

    pointer: str
    value: object


class Provider(NamedTuple):
    """A provider whose webhooks are understood: where a body keeps its parts, and what one part reports.

    `events` gives no event for what is acknowledged but not tracked. Both raise `Unreadable`.
    """

    name: str
    parts: Callable[[object], Sequence[Part]]
    events: Callable[[object, int], Sequence[Event]]

    def read(self, body: bytes, received_time: int) -> Reading:
        """Everything a body says; never raises. A part that is not understood leaves the others standing."""
        try:
            decoded = decode(body)
            reading = self._read_parts(self.parts(decoded.value), received_time, decoded.spoiled)
            _check_count(len(reading.events))
        except Unreadable as unreadable:
            return Reading([], [Problem("", str(unreadable))], 0)
        return reading

    def _read_parts(self, parts: Sequence[Part], received_time: int, spoiled: bool) -> Reading:
        reported: list[Reported] = []
        problems: list[Problem] = []
        ignored = 0
        for pointer, value in parts:
            try:
                if spoiled:
                    require_sound(value)
                events = self.events(value, received_time)
            except Unreadable as unreadable:
                problems.append(Problem(pointer, str(unreadable)))
                continue
            reported.extend(Reported(pointer, event) for event in events)
            ignored += not events
        return Reading(reported, problems, ignored)


def array_parts(pointer: str, values: Sequence[object]) -> list[Part]:
    """The members of the array at a JSON pointer as parts of the body; raises `Unreadable` where they are too many."""
    _check_count(len(values))
    return [Part(f"{pointer}/{index}", value) for index, value in enumerate(values)]


def _check_count(count: int) -> None:
    if count > limits.BATCH_EVENTS:
        raise Unreadable(f"the body must hold at most {limits.BATCH_EVENTS} events; found {count}")
