"""Cuts events into batches that a server takes."""

from typing import Final

from msgstate._values import PublishedBatch, Refused
from msgstate.v1.event_pb2 import Event
from msgstate.v1.event_service_pb2 import StreamEventsRequest, StreamEventsResponse

BATCH_EVENTS: Final = 1_000
BATCH_BYTES: Final = 1_048_576
_FRAME_BYTES: Final = 4
"""Of an event in a batch of at most 1 MiB: its tag and its length."""
_REQUEST_BYTES: Final = 16
"""Of the batch's own fields."""
_EVENT_BYTES: Final = BATCH_BYTES - _REQUEST_BYTES
"""Of the largest event that a batch can carry."""


class Cut:
    """A batch, and what became of its events."""

    def __init__(self, batch_id: int, first_index: int) -> None:
        self.request = StreamEventsRequest(batch_id=batch_id)
        self.first_index = first_index
        self.size = _REQUEST_BYTES
        self._too_large: dict[int, tuple[Event, int]] = {}

    def __len__(self) -> int:
        return len(self.request.events)

    def add(self, event: Event, size: int) -> None:
        """Put a copy of the event into the batch, so that the caller may change and reuse it."""
        if size > _EVENT_BYTES:
            # No batch can carry it. An empty event stands in its place: it keeps the others' indices and is refused.
            self._too_large[len(self)] = (event, size)
            event, size = Event(), _FRAME_BYTES
        self.request.events.append(event)
        self.size += size

    def outcome(self, answer: StreamEventsResponse) -> PublishedBatch:
        """What the server made of it."""
        refused = [
            self._refused(told.index, [(found.field, found.description) for found in told.violations])
            for told in answer.refused
        ]
        return PublishedBatch(self.first_index, answer.accepted, answer.duplicates, refused, answer.resume_token)

    def _refused(self, index: int, violations: list[tuple[str, str]]) -> Refused:
        event = self.request.events[index]
        if index in self._too_large:
            event, size = self._too_large[index]
            violations = [(f"events[{index}]", f"takes {size:,} bytes and no batch carries more than {BATCH_BYTES:,}")]
        return Refused(self.first_index + index, event, violations)


class Cutter:
    """Fills one batch after the other."""

    def __init__(self, batch_size: int) -> None:
        if not 1 <= batch_size <= BATCH_EVENTS:
            raise ValueError(f"batch_size is {batch_size} and must be 1 to {BATCH_EVENTS:,}")
        self._batch_size = batch_size
        self._cut = Cut(1, 0)

    def add(self, event: Event) -> Cut | None:
        """Take the event; gives the batch before it, once that is full."""
        size = event.ByteSize() + _FRAME_BYTES
        room = BATCH_BYTES - self._cut.size
        full = None
        if len(self._cut) == self._batch_size or room < size <= _EVENT_BYTES:
            full = self._take()
        self._cut.add(event, size)
        return full

    def rest(self) -> Cut | None:
        """The last batch, as far as it is filled; None where it is empty."""
        return self._take() if len(self._cut) else None

    def _take(self) -> Cut:
        cut = self._cut
        self._cut = Cut(cut.request.batch_id + 1, cut.first_index + len(cut))
        return cut
