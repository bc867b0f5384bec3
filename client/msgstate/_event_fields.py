"""What `Event(...)` takes beyond what protobuf does, and what it refuses."""

from datetime import datetime
from typing import Any, Final

from msgstate._enums import read_enum
from msgstate._start import require_offset
from msgstate.v1.event_pb2 import Event, EventType, Reason

_ENUMS: Final = {"type": EventType.DESCRIPTOR, "reason": Reason.DESCRIPTOR}
_TIMES: Final = ("occurred_time", "received_time")


def check_event_fields() -> None:
    """Have `Event(...)` take enum values by name with or without prefix, and refuse a `datetime` without an offset.

    protobuf would take such a time for UTC, whatever the program meant. An assignment to a field is not checked, since
    that would slow down every field of every event.
    """
    # A generated class cannot be subclassed.
    initialize = Event.__init__

    def __init__(self: Event, *arguments: Any, **fields: Any) -> None:  # noqa: N807
        for name, enum in _ENUMS.items():
            if isinstance(fields.get(name), str):
                fields[name] = read_enum(enum, fields[name], name)
        for name in _TIMES:
            if isinstance(fields.get(name), datetime):
                require_offset(fields[name], name)
        initialize(self, *arguments, **fields)

    Event.__init__ = __init__  # type: ignore[method-assign]
