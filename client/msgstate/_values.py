"""The values that the client gives out beside the messages of the contract."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from msgstate.v1.admin_service_pb2 import QuarantinedEvent, QuarantinedPayload
from msgstate.v1.event_pb2 import Event

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Batch(Generic[T]):
    """What a watch received at once."""

    entries: Sequence[T]
    """In order of position; none in a checkpoint."""
    resume_token: str
    """Resumes after everything up to here, whatever the filter."""
    live: bool
    """Whether the watch has reached the head of the log and follows it."""
    head_position: int
    """The last position in the log when the server sent this."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list."""

    items: Sequence[T]
    """May be fewer than were asked for, or none, and the page still not be the last."""
    next_page_token: str
    """Asks for the next page; empty on the last."""
    resume_token: str
    """A token taken before the page was read; empty where a list has none."""


@dataclass(frozen=True, slots=True)
class Refused:
    """An event that the server did not take."""

    index: int
    """Its index among all events that were published, from 0."""
    event: Event
    """The event."""
    violations: list[tuple[str, str]]
    """Its fields that broke a rule, each with a description."""


@dataclass(frozen=True, slots=True)
class PublishedBatch:
    """What became of one batch: all that is not refused is durable."""

    first_index: int
    """The index of its first event among all events that were published, from 0."""
    accepted: int
    """How many of its events are new."""
    duplicates: int
    """How many were in the log already; of a batch that was sent again, those that were taken the first time too."""
    refused: list[Refused]
    """Those that were not taken."""
    resume_token: str
    """A watch from it sees what was committed after this batch."""


@dataclass(frozen=True, slots=True)
class Published:
    """What became of all events."""

    accepted: int
    """How many are new."""
    duplicates: int
    """How many were in the log already."""
    refused: list[Refused]
    """Those that were not taken."""
    resume_token: str
    """A watch from it sees what was committed after the last batch; empty where there was no event."""


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A webhook that could not be understood, or not in all its parts."""

    payload: QuarantinedPayload
    """What it is, and why it is in quarantine."""
    events: list[QuarantinedEvent]
    """What is understood of it now."""
    body: bytes
    """Its body, as it came."""


@dataclass(frozen=True, slots=True)
class Payload:
    """The raw body that brought an event."""

    provider: str
    """Who sent it."""
    received_time: datetime
    """When it came, in UTC."""
    body: bytes
    """The body, as it came."""
