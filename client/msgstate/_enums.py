"""Enum values by name: `DELIVERED` and `STATE_DELIVERED` mean the same."""

from collections.abc import Iterable
from typing import TypeAlias, cast

from google.protobuf.descriptor import EnumDescriptor

from msgstate._start import require_several
from msgstate.v1.event_pb2 import EventType
from msgstate.v1.status_pb2 import State

StateName: TypeAlias = "State.ValueType | str"
"""A state: `State.STATE_DELIVERED`, `"DELIVERED"` or `"STATE_DELIVERED"`."""

EventTypeName: TypeAlias = "EventType.ValueType | str"
"""A type of event: `EventType.EVENT_TYPE_OPENED`, `"OPENED"` or `"EVENT_TYPE_OPENED"`."""


def read_enum(enum: EnumDescriptor, value: int | str, field: str) -> int:
    """The number of a value that is given by number or by name; raises ValueError for an unknown name."""
    if not isinstance(value, str):
        return value
    unspecified, *others = enum.values
    prefix = unspecified.name.removesuffix("UNSPECIFIED")
    known = {other.name.removeprefix(prefix): other.number for other in others}
    number = known.get(value.upper().removeprefix(prefix))
    if number is None:
        raise ValueError(f"{field} must be one of {', '.join(known)}; found {value!r}")
    return number


def read_states(values: "Iterable[StateName]", field: str) -> "list[State.ValueType]":
    """The states, each given by number or by name; raises TypeError for a lone str, ValueError for an unknown name."""
    require_several(**{field: values})
    return [cast("State.ValueType", read_enum(State.DESCRIPTOR, value, field)) for value in values]


def read_types(values: "Iterable[EventTypeName]", field: str) -> "list[EventType.ValueType]":
    """The types of events, as `read_states` reads states."""
    require_several(**{field: values})
    return [cast("EventType.ValueType", read_enum(EventType.DESCRIPTOR, value, field)) for value in values]
