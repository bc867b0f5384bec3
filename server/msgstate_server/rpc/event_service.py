"""The handlers of `msgstate.v1.EventService`: publishing events."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Final

from msgstate.v1 import event_service_pb2, event_service_pb2_grpc
from msgstate_server.domain.decision import Disposition, Submission
from msgstate_server.ingest import Ingest, RefusalLog
from msgstate_server.rpc.context import Context
from msgstate_server.rpc.conversion import DISPOSITIONS
from msgstate_server.rpc.event_batches import admit_batch
from msgstate_server.rpc.event_stream import EventStream
from msgstate_server.store.protocol import Store
from msgstate_server.watch.token import Token

_QUEUE_SHARE: Final = 0.8
"""The share of the caller's deadline to wait for room in the queue. The rest is for the answer to reach the caller."""


class EventService(event_service_pb2_grpc.EventServiceServicer):
    """The proto documents what each rpc promises."""

    def __init__(self, ingest: Ingest, store: Store, clock: Callable[[], int], refusals: RefusalLog) -> None:
        """Take events into `ingest`; `clock` gives their receipt times."""
        self._ingest = ingest
        self._store = store
        self._clock = clock
        self._refusals = refusals

    async def PublishEvents(  # noqa: N802
        self, request: event_service_pb2.PublishEventsRequest, context: Context
    ) -> event_service_pb2.PublishEventsResponse:
        """Publish a batch."""
        candidates, refused = await admit_batch(request, self._clock(), self._refusals)
        outcomes = await self._ingest.submit(Submission(candidates), _queue_timeout(context)) if candidates else []
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

    def StreamEvents(  # noqa: N802
        self, request_iterator: AsyncIterator[event_service_pb2.StreamEventsRequest], context: Context
    ) -> AsyncGenerator[event_service_pb2.StreamEventsResponse, None]:
        """Publish batches as they come."""
        return EventStream(request_iterator, self._ingest, self._store, self._clock, self._refusals).acknowledgements()


def _queue_timeout(context: Context) -> float | None:
    remaining = context.time_remaining()
    # Without a deadline this is None, although the stubs do not say so.
    return None if remaining is None else remaining * _QUEUE_SHARE  # type: ignore[redundant-expr]
