"""Turns a webhook's body into events: all providers share this walk over the body's parts."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from msgstate_server.domain import limits
from msgstate_server.domain.decision import Problem
from msgstate_server.domain.events import Event
from msgstate_server.webhooks.providers.decoding import decode, require_sound
from msgstate_server.webhooks.providers.unreadable import Unreadable


class Reported(NamedTuple):
    """An event, with the JSON pointer to the part of the body that reports it."""

    pointer: str
    event: Event


class Reading(NamedTuple):
    """What was read from a body. Each part counts once: as its events, as a problem, or as ignored."""

    events: list[Reported]
    problems: list[Problem]
    ignored: int


class Part(NamedTuple):
    """One report in a body, with the JSON pointer to it."""

    pointer: str
    value: object


class Provider(NamedTuple):
    """A provider that may post webhooks.

    `parts` finds the parts of a decoded body. `events` returns the events that one part reports, given the time in
    microseconds at which the webhook was received; it returns nothing for a part that is acknowledged but not tracked.
    Both raise `Unreadable`.
    """

    name: str
    parts: Callable[[object], Sequence[Part]]
    events: Callable[[object, int], Sequence[Event]]

    def read(self, body: bytes, received_time: int) -> Reading:
        """Read a whole body; never raises. A part that cannot be read does not affect the others."""
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
    """Return the members of the array at a JSON pointer as parts; raises `Unreadable` if there are too many."""
    _check_count(len(values))
    return [Part(f"{pointer}/{index}", value) for index, value in enumerate(values)]


def _check_count(count: int) -> None:
    if count > limits.BATCH_EVENTS:
        raise Unreadable(f"the body must hold at most {limits.BATCH_EVENTS} events; found {count}")
