"""What `msgstate publish` reads: lines of JSON, or a saved webhook."""

import time
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec
from google.protobuf.json_format import ParseDict, ParseError

from msgstate import Event
from msgstate_server.domain.decision import Payload
from msgstate_server.domain.limits import EVENT_BYTES
from msgstate_server.rpc.conversion import event_to_proto
from msgstate_server.webhooks.intake import take_in


class Part(NamedTuple):
    """One part of the input: its place, and the event in it or why there is none."""

    place: dict[str, int] | dict[str, str]
    """`line`, a number from 1, or `pointer`, a JSON pointer into a webhook's body."""
    event: Event
    refused: str

    def named(self) -> str:
        """The place in words, to stand before what is said of it; empty for a whole body."""
        (kind, value), *_ = self.place.items()
        return f"{kind} {value}: " if value else ""


def lines_of(file: Iterable[bytes]) -> Iterator[Part]:
    """Each line that is not empty."""
    return (_read(number, text) for number, text in enumerate(file, 1) if text.strip())


def _read(number: int, text: bytes) -> Part:
    event = Event()
    place = {"line": number}
    try:
        # Stricter than Python's own: neither half a character nor a number without end may reach protobuf.
        value = msgspec.json.decode(text.removeprefix(BOM_UTF8))
        if not isinstance(value, dict):
            return Part(place, event, "must be one JSON object, an Event")
        # `Event` reads enum values by name with or without their prefix, which ParseDict does not.
        event = Event(**{name: value.pop(name) for name in ("type", "reason") if isinstance(value.get(name), str)})
        ParseDict(value, event)
    except (ValueError, RecursionError, ParseError) as error:
        # protobuf goes on to list every field there is, on lines of its own.
        return Part(place, Event(), f"is not an Event in JSON: {str(error).partition(chr(10))[0]}")
    if event.ByteSize() > EVENT_BYTES:
        return Part(place, Event(), f"an event must be at most {EVENT_BYTES} bytes; found {event.ByteSize()}")
    return Part(place, event, "")


def read_webhook(provider: str, account: str, body: bytes) -> tuple[list[Part], int]:
    """Each event in a webhook's body, each part of it that is not understood, and how many are not tracked at all."""
    submission, pointers, ignored = take_in(Payload(provider, account, time.time_ns() // 1000, body))
    parts = [Part({"pointer": problem.pointer}, Event(), problem.reason) for problem in submission.problems]
    for pointer, candidate in zip(pointers, submission.candidates, strict=True):
        event = event_to_proto(candidate.event)
        # When this program read it says nothing.
        event.ClearField("received_time")
        parts.append(Part({"pointer": pointer}, event, ""))
    return parts, ignored
