"""How a webhook's body becomes events: the walk that all providers share, whatever bytes come."""

import json
import re
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import msgspec

from msgstate_server.domain import limits
from msgstate_server.domain.decision import Problem
from msgstate_server.domain.events import Event

# Decimal fractions stay text, since a time in seconds with microseconds does not fit a float without error.
_decoder: Final = msgspec.json.Decoder(float_hook=str)

_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class Unreadable(ValueError):
    """A body, or a part of one, that cannot be understood; the text is a plain sentence that says why."""


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
            parts = self.parts(_decode(body))
            _check_count(len(parts))
            reading = self._read_parts(parts, received_time)
            _check_count(len(reading.events))
        except Unreadable as unreadable:
            return Reading([], [Problem("", str(unreadable))], 0)
        return reading

    def _read_parts(self, parts: Sequence[Part], received_time: int) -> Reading:
        reported: list[Reported] = []
        problems: list[Problem] = []
        ignored = 0
        for pointer, value in parts:
            try:
                events = self.events(value, received_time)
            except Unreadable as unreadable:
                problems.append(Problem(pointer, str(unreadable)))
                continue
            reported.extend(Reported(pointer, event) for event in events)
            ignored += not events
        return Reading(reported, problems, ignored)


def array_parts(pointer: str, values: Sequence[object]) -> list[Part]:
    """The members of the array at a JSON pointer as parts of the body."""
    return [Part(f"{pointer}/{index}", value) for index, value in enumerate(values)]


def _decode(body: bytes) -> object:
    try:
        try:
            return _decoder.decode(body)
        except msgspec.DecodeError:
            if not _SURROGATE.search(body):
                raise
            return _decoder.decode(_without_lone_surrogates(body))
    except UnicodeDecodeError:
        raise Unreadable("the body is not UTF-8") from None
    except RecursionError:
        raise Unreadable("the body is nested too deeply") from None
    except ValueError as error:
        raise Unreadable(f"the body is not JSON: {error}") from None


def _without_lone_surrogates(body: bytes) -> bytes:
    """The body with U+0000 in place of each half of a character, which JSON can write and no text can hold.

    So one such half in a user agent does not cost the other events of its body.
    """
    return _LONE_SURROGATE.sub(r"\\u0000", json.dumps(json.loads(body), ensure_ascii=False)).encode()


def _check_count(count: int) -> None:
    if count > limits.BATCH_EVENTS:
        raise Unreadable(f"the body must hold at most {limits.BATCH_EVENTS} events; found {count}")
