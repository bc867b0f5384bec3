"""How values of the contract read as plain text: enum values, times, transitions."""

from typing import TYPE_CHECKING, Final

import click
from google.protobuf.json_format import MessageToJson
from google.protobuf.timestamp_pb2 import Timestamp

from msgstate.v1 import event_pb2, status_pb2

if TYPE_CHECKING:
    from google.protobuf.descriptor import EnumDescriptor
    from google.protobuf.message import Message

    from msgstate.v1 import log_pb2

STATE_COLOURS: Final = {
    "QUEUED": "white",
    "SENT": "cyan",
    "DELIVERED": "green",
    "ENGAGED": "magenta",
    "FAILED": "red",
    "SUPPRESSED": "yellow",
}
NO_STATE: Final = "-"
_STATE_WIDTH: Final = max(map(len, STATE_COLOURS))


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


def _name(enum: "EnumDescriptor", prefix: str, number: int) -> str:
    """The value's name without the prefix, empty for 0; of one that a newer server knows, its number."""
    if not number:
        return ""
    value = enum.values_by_number.get(number)
    return value.name.removeprefix(prefix) if value is not None else str(number)


def reason_words(reason: int, smtp_code: int, enhanced_code: str, detail: str) -> str:
    """Why, as far as the provider said: reason, codes and its own text."""
    named = words(event_pb2.Reason.DESCRIPTOR, "REASON_", reason)
    parts = (named, str(smtp_code or ""), enhanced_code, f'"{detail}"' if detail else "")
    return printable(" ".join(part for part in parts if part))


def time_text(time: Timestamp, timespec: str = "seconds") -> str:
    """A time in UTC, as ISO 8601 writes it."""
    return time.ToDatetime().isoformat(timespec=timespec) + "Z"


def move_text(transition: "log_pb2.Transition") -> str:
    """Who moved, from what to what, and why."""
    return "  ".join(
        (
            f"{printable(transition.recipient):<20}",
            f"{state_name(transition.from_state):>{_STATE_WIDTH}} \N{RIGHTWARDS ARROW} "
            + styled_state(state_name(transition.to_state), _STATE_WIDTH),
            click.style(_cause(transition), dim=True),
        )
    )


def styled_state(name: str, width: int = 0) -> str:
    """A state in its colour, padded."""
    return click.style(f"{name:<{width}}", fg=STATE_COLOURS.get(name), bold=True)


def _cause(transition: "log_pb2.Transition") -> str:
    event = transition.event
    cause = words(event_pb2.EventType.DESCRIPTOR, "EVENT_TYPE_", event.type)
    why = reason_words(event.reason, event.smtp_code, event.enhanced_code, "")
    provisional = transition.HasField("failure") and not transition.failure.final
    notes = ", ".join(note for note in (why, "automated" if event.automated else "") if note)
    return cause + (f": {notes}" if notes else "") + (" (provisional)" if provisional else "")


def json_line(message: "Message") -> str:
    """A message of the contract as one line in the JSON form of Protocol Buffers."""
    return MessageToJson(message, indent=None)
