"""Where a watch starts."""

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Final, Protocol, TypeAlias, TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

from msgstate.v1 import message_status_service_pb2 as pb


class StartPoint(Enum):
    """An end of the log."""

    EARLIEST = pb.START_POINT_EARLIEST
    """The first event that is still kept."""
    NOW = pb.START_POINT_NOW
    """What is committed from now on."""


EARLIEST: Final = StartPoint.EARLIEST
NOW: Final = StartPoint.NOW

Start: TypeAlias = StartPoint | str | datetime
"""An end of the log, a resume token, or a time with an offset: what was committed then or later.

A time that is still to come is kept while the watch lasts; a token does not keep it for the next one.
"""


class Committed(Protocol):
    """What stands in the log since a time."""

    @property
    def commit_time(self) -> Timestamp:
        """The time."""


E = TypeVar("E", bound=Committed)

WatchRequest = TypeVar("WatchRequest", pb.WatchTransitionsRequest, pb.WatchEventsRequest)


def require_start(start: Start) -> None:
    """Raise ValueError for a start that is none: an empty token, or a time without an offset."""
    if isinstance(start, str) and not start:
        raise ValueError("a watch cannot start from an empty token: give EARLIEST, NOW or a time")
    if isinstance(start, datetime):
        require_offset(start, "start")


def require_offset(time: datetime, name: str) -> None:
    """Raise ValueError for a time that does not say which one it is."""
    if time.tzinfo is None:
        raise ValueError(f"{name} has no time zone: give one, as in datetime.now(timezone.utc)")


def require_several(**arguments: object) -> None:
    """Raise TypeError for a str where several are meant: it would be taken for its letters."""
    for name, value in arguments.items():
        if isinstance(value, str):
            raise TypeError(f"{name} is a str, and takes several: give [{value!r}]")


def started(request: WatchRequest, start: Start) -> WatchRequest:
    """A copy of the request that starts there."""
    copy = type(request)()
    copy.CopyFrom(request)
    if isinstance(start, StartPoint):
        copy.start_point = start.value
    elif isinstance(start, datetime):
        copy.start_time.FromDatetime(start)
    else:
        copy.resume_token = start
    return copy


def since(entries: Sequence[E], time: datetime) -> Sequence[E]:
    """Those that were committed then or later."""
    return [entry for entry in entries if entry.commit_time.ToDatetime(UTC) >= time]
