"""How values of the contract read as plain text: enum values, times, events."""

from typing import TYPE_CHECKING, Final

import click
from google.protobuf.json_format import MessageToJson
from google.protobuf.timestamp_pb2 import Timestamp

from msgstate.v1 import event_pb2, event_service_pb2, status_pb2

if TYPE_CHECKING:
    from google.protobuf.descriptor import EnumDescriptor
    from google.protobuf.message import Message

STATE_COLOURS: Final = {
    "QUEUED": "white",
    "SENT": "cyan",
    "DELIVERED": "green",
    "ENGAGED": "magenta",
    "FAILED": "red",
    "SUPPRESSED": "yellow",
}
NO_STATE: Final = "-"
WIDE: Final = 110
"""Columns from which a terminal has room for a table with long cells."""
STATE_WIDTH: Final = max(map(len, STATE_COLOURS))
ARROW: Final = "\N{RIGHTWARDS ARROW}"


def printable(text: str) -> str:
    """What a provider told, on one line and without power over a terminal."""
    spaced = "".join(" " if character.isspace() else character for character in text)
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in spaced)


def shortened(text: str, width: int) -> str:
    """The text, cut to so many characters, the last of which says so."""
    text = printable(text)
    return text if len(text) <= width else text[: width - 1] + "\N{HORIZONTAL ELLIPSIS}"


def state_name(number: int) -> str:
    """A state without its prefix; `-` for none."""
    return _name(status_pb2.State.DESCRIPTOR, "STATE_", number) or NO_STATE


def words(enum: "EnumDescriptor", prefix: str, number: int) -> str:
    """An enum value in lower case and with spaces; empty where it is unspecified."""
    return _name(enum, prefix, number).lower().replace("_", " ")


def disposition_word(number: int) -> str:
    """What became of a published event: accepted, duplicate or refused."""
    return words(event_service_pb2.Disposition.DESCRIPTOR, "DISPOSITION_", number)


def _name(enum: "EnumDescriptor", prefix: str, number: int) -> str:
    """The value's name without the prefix, empty for 0; of one that a newer server knows, its number."""
    if not number:
        return ""
    value = enum.values_by_number.get(number)
    return value.name.removeprefix(prefix) if value is not None else str(number)


def reason_words(reason: int, smtp_code: int, enhanced_code: str, detail: str) -> str:
    """Why, as far as the provider said: reason, codes and its own text."""
    named = words(event_pb2.Reason.DESCRIPTOR, "REASON_", reason)
    # Most providers repeat the codes in their text.
    codes = (code for code in (str(smtp_code or ""), enhanced_code) if code not in detail)
    parts = (named, *codes, f'"{detail}"' if detail else "")
    return printable(" ".join(part for part in parts if part))


def time_text(time: Timestamp, timespec: str = "seconds") -> str:
    """A time in UTC, as ISO 8601 writes it."""
    return time.ToDatetime().isoformat(timespec=timespec) + "Z"


def styled_state(name: str, width: int = 0) -> str:
    """A state in its colour, padded."""
    return click.style(f"{name:<{width}}", fg=STATE_COLOURS.get(name), bold=True)


def event_words(event: event_pb2.Event, *, own_word: bool, detail_width: int) -> str:
    """What happened, in the provider's own word too where that is another, and why."""
    name = words(event_pb2.EventType.DESCRIPTOR, "EVENT_TYPE_", event.type)
    own = printable(event.provider_type) if own_word and event.provider_type.lower() != name else ""
    detail = shortened(event.detail, detail_width) if detail_width else ""
    why = reason_words(event.reason, event.smtp_code, event.enhanced_code, detail)
    url = shortened(event.url, detail_width) if detail_width else ""
    notes = ", ".join(note for note in (why, url, "automated" if event.automated else "") if note)
    return name + (f" ({own})" if own else "") + (f": {notes}" if notes else "")


def json_line(message: "Message") -> str:
    """A message of the contract as one line in the JSON form of Protocol Buffers."""
    return MessageToJson(message, indent=None)
