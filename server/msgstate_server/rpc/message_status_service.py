"""Statuses and live transitions out: the handlers of `msgstate.v1.MessageStatusService`."""

from collections.abc import AsyncIterator, Iterator

from msgstate.v1 import message_status_service_pb2 as pb
from msgstate.v1 import message_status_service_pb2_grpc
from msgstate_server.domain.limits import RESPONSE_BYTES
from msgstate_server.domain.log import LogEntry
from msgstate_server.queries import get_message
from msgstate_server.rpc.context import Context
from msgstate_server.rpc.conversion import message_to_proto
from msgstate_server.rpc.transitions import RecentTransitions
from msgstate_server.rpc.unbuilt import unbuilt
from msgstate_server.rpc.watch_requests import read_watch_request
from msgstate_server.store.protocol import Store
from msgstate_server.watch import Batch, Watches
from msgstate_server.watch.token import Token

_HEADROOM = 4_096
"""Bytes of a response that its token and other fields may take."""


class MessageStatusService(message_status_service_pb2_grpc.MessageStatusServiceServicer):
    """See the contract for what each rpc promises."""

    def __init__(self, store: Store, watches: Watches) -> None:
        """Answer from the store, and stream from the watches."""
        self._store = store
        self._watches = watches
        self._transitions = RecentTransitions()

    async def GetMessageStatus(  # noqa: N802
        self, request: pb.GetMessageStatusRequest, context: Context
    ) -> pb.GetMessageStatusResponse:
        """Give one message's status."""
        token = Token.at(self._store.head)
        view = await get_message(self._store, request.message_id, request.provider, request.recipient)
        return pb.GetMessageStatusResponse(
            status=message_to_proto(view, RESPONSE_BYTES - _HEADROOM), resume_token=token.encode()
        )

    async def WatchTransitions(  # noqa: N802
        self, request: pb.WatchTransitionsRequest, context: Context
    ) -> AsyncIterator[pb.WatchTransitionsResponse]:
        """Stream transitions."""
        async for batch in self._watches.watch(read_watch_request(request)):
            for response in _responses(batch, self._transitions):
                yield response

    async def BatchGetMessageStatuses(  # noqa: N802
        self, request: pb.BatchGetMessageStatusesRequest, context: Context
    ) -> pb.BatchGetMessageStatusesResponse:
        """Not built yet."""
        await unbuilt(context)

    async def ListMessageStatuses(  # noqa: N802
        self, request: pb.ListMessageStatusesRequest, context: Context
    ) -> pb.ListMessageStatusesResponse:
        """Not built yet."""
        await unbuilt(context)

    async def GetMessageHistory(  # noqa: N802
        self, request: pb.GetMessageHistoryRequest, context: Context
    ) -> pb.GetMessageHistoryResponse:
        """Not built yet."""
        await unbuilt(context)

    async def WatchEvents(  # noqa: N802
        self, request: pb.WatchEventsRequest, context: Context
    ) -> AsyncIterator[pb.WatchEventsResponse]:
        """Not built yet."""
        await unbuilt(context)
        yield pb.WatchEventsResponse()  # type: ignore[unreachable]


def _responses(batch: Batch, transitions: RecentTransitions) -> Iterator[pb.WatchTransitionsResponse]:
    """The batch as one response, or as several where it is larger than a response may be."""
    response, size = _response(batch), 0
    last: LogEntry | None = None
    for entry in batch.entries:
        transition, added = transitions.of(entry)
        if last is not None and size + added > RESPONSE_BYTES - _HEADROOM:
            response.resume_token = Token(batch.token.log_id, last.position, last.fingerprint).encode()
            yield response
            response, size = _response(batch), 0
        response.transitions.append(transition)
        size += added
        last = entry
    response.resume_token = batch.token.encode()
    if batch.live:
        response.phase = pb.WATCH_PHASE_LIVE
    yield response


def _response(batch: Batch) -> pb.WatchTransitionsResponse:
    return pb.WatchTransitionsResponse(phase=pb.WATCH_PHASE_CATCHING_UP, head_position=batch.head_position)
