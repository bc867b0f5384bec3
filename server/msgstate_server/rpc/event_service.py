"""Events in: the handlers of `msgstate.v1.EventService`."""

from collections.abc import AsyncIterator, Callable, Iterable
from typing import Final

from msgstate.v1 import event_pb2, event_service_pb2, event_service_pb2_grpc
from msgstate_server.domain.decision import Candidate, Disposition, Submission
from msgstate_server.domain.errors import BatchTooLarge
from msgstate_server.domain.limits import BATCH_BYTES, BATCH_EVENTS, VIOLATIONS_TOLD
from msgstate_server.domain.validation import Violation
from msgstate_server.ingest import Ingest, admit
from msgstate_server.rpc.context import Context
from msgstate_server.rpc.conversion import DISPOSITIONS, event_from_proto
from msgstate_server.rpc.unbuilt import unbuilt
from msgstate_server.store.protocol import Store
from msgstate_server.watch.token import Token

_PATIENCE: Final = 0.8
"""The share of a caller's deadline that may pass in wait for room: the answer must still reach the caller."""


class EventService(event_service_pb2_grpc.EventServiceServicer):
    """See the contract for what each rpc promises."""

    def __init__(self, ingest: Ingest, store: Store, clock: Callable[[], int]) -> None:
        """Take events into `ingest`; `clock` gives their receipt times."""
        self._ingest = ingest
        self._store = store
        self._clock = clock

    async def PublishEvents(  # noqa: N802
        self, request: event_service_pb2.PublishEventsRequest, context: Context
    ) -> event_service_pb2.PublishEventsResponse:
        """Publish a batch."""
        _require_within_limits(request)
        candidates, refused = self._admit(request.events)
        outcomes = await self._ingest.submit(Submission(candidates), _patience(context)) if candidates else []
        committed = iter(outcomes)
        response = event_service_pb2.PublishEventsResponse(resume_token=Token.at(self._store.head).encode())
        for index in range(len(request.events)):
            result = response.results.add()
            violations = refused.get(index)
            if violations is None:
                disposition, result.position = next(committed)
            else:
                disposition = Disposition.REFUSED
                result.violations.extend(violations)
            result.disposition = DISPOSITIONS[disposition]
        return response

    def _admit(
        self, messages: Iterable[event_pb2.Event]
    ) -> tuple[list[Candidate], dict[int, list[event_service_pb2.FieldViolation]]]:
        """The events that may enter the log, and why the others may not, by index."""
        received_time = self._clock()
        candidates: list[Candidate] = []
        refused: dict[int, list[event_service_pb2.FieldViolation]] = {}
        for index, message in enumerate(messages):
            event, found = event_from_proto(message, received_time)
            admitted = admit(event)
            if isinstance(admitted, list):
                found += admitted
            if found:
                refused[index] = [_violation(f"events[{index}]", violation) for violation in found[:VIOLATIONS_TOLD]]
            elif not isinstance(admitted, list):
                candidates.append(admitted)
        return candidates, refused

    async def StreamEvents(  # noqa: N802
        self, request_iterator: AsyncIterator[event_service_pb2.StreamEventsRequest], context: Context
    ) -> AsyncIterator[event_service_pb2.StreamEventsResponse]:
        """Not built yet."""
        await unbuilt(context)
        yield event_service_pb2.StreamEventsResponse()  # type: ignore[unreachable]


def _patience(context: Context) -> float | None:
    remaining = context.time_remaining()
    # Without a deadline it is None, which the stubs do not say.
    return None if remaining is None else remaining * _PATIENCE  # type: ignore[redundant-expr]


def _require_within_limits(request: event_service_pb2.PublishEventsRequest) -> None:
    if len(request.events) > BATCH_EVENTS:
        raise BatchTooLarge(f"events: must be at most {BATCH_EVENTS}; found {len(request.events)}; split the batch")
    size = request.ByteSize()
    if size > BATCH_BYTES:
        raise BatchTooLarge(f"events: must be at most {BATCH_BYTES} bytes together; found {size}; split the batch")


def _violation(prefix: str, violation: Violation) -> event_service_pb2.FieldViolation:
    field = f"{prefix}.{violation.field}" if violation.field else prefix
    return event_service_pb2.FieldViolation(field=field, description=violation.description)
