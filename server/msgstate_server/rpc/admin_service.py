"""The handlers of `msgstate.v1.AdminService`: quarantine and stored bodies, for operators."""

from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from typing import Final

from msgstate.v1 import admin_service_pb2 as pb
from msgstate.v1 import admin_service_pb2_grpc
from msgstate_server.domain.errors import (
    BatchTooLarge,
    InvalidRequest,
    PayloadNotFound,
    QuarantinedNotFound,
    ResponseTooLarge,
)
from msgstate_server.domain.limits import ID_BYTES, QUARANTINE_IDS, RESPONSE_BYTES
from msgstate_server.domain.validation import Violation, text_violations
from msgstate_server.ingest import Quarantine
from msgstate_server.queries import Listing
from msgstate_server.rpc.context import Context
from msgstate_server.rpc.conversion import FIELD_OVERHEAD, write_time
from msgstate_server.rpc.errors import write_lookup_error
from msgstate_server.rpc.paging import read_page_size
from msgstate_server.rpc.quarantine_answers import (
    REPLAYED_BYTES,
    chunks,
    part_responses,
    write_page,
    write_quarantined,
    write_replayed,
)
from msgstate_server.store.protocol import Store

_ERROR_BYTES: Final = 512
"""The maximum size of the result for an id that was not replayed."""
_NO_ROOM: Final = ResponseTooLarge("not replayed: the result may not fit into this response; request this id again")


class AdminService(admin_service_pb2_grpc.AdminServiceServicer):
    """The proto documents what each rpc promises."""

    def __init__(self, quarantine: Quarantine, store: Store) -> None:
        """Answer from `quarantine` and `store`."""
        self._quarantine = quarantine
        self._store = store

    async def ListQuarantine(  # noqa: N802
        self, request: pb.ListQuarantineRequest, context: Context
    ) -> pb.ListQuarantineResponse:
        """List quarantined webhooks."""
        _require(text_violations("provider", request.provider, ID_BYTES))
        listing = Listing(self._store.head.log_id, "ListQuarantine", (request.provider, request.include_replayed))
        response = pb.ListQuarantineResponse()
        before = listing.place(request.page_token)
        next_before = await write_page(response, self._store, request, before, read_page_size(request.page_size))
        response.next_page_token = listing.token(next_before)
        return response

    async def GetQuarantined(  # noqa: N802
        self, request: pb.GetQuarantinedRequest, context: Context
    ) -> AsyncGenerator[pb.GetQuarantinedResponse, None]:
        """Stream one webhook: its description, the events that can be read from it now, its body."""
        _require(_number_violations("id", request.id))
        found = await self._quarantine.show(request.id)
        first = pb.GetQuarantinedResponse()
        write_quarantined(first.payload, found.quarantined)
        yield first
        for response in part_responses(found.parts):
            yield response
        for chunk in chunks(found.body):
            yield pb.GetQuarantinedResponse(chunk=chunk)

    async def ReplayQuarantined(  # noqa: N802
        self, request: pb.ReplayQuarantinedRequest, context: Context
    ) -> pb.ReplayQuarantinedResponse:
        """Replay webhooks one at a time, so that only one body is in memory."""
        _require_ids(request.ids)
        response = pb.ReplayQuarantinedResponse()
        room = RESPONSE_BYTES - _ERROR_BYTES * QUARANTINE_IDS
        for quarantined_id in request.ids:
            result = response.results.add(id=quarantined_id)
            if room < REPLAYED_BYTES:
                write_lookup_error(result.error, _NO_ROOM)
            else:
                await self._replay(result)
                room -= result.ByteSize() + FIELD_OVERHEAD
        return response

    async def _replay(self, result: pb.ReplayResult) -> None:
        try:
            write_replayed(result, await self._quarantine.replay(result.id))
        except QuarantinedNotFound as error:
            write_lookup_error(result.error, error)

    async def DiscardQuarantined(  # noqa: N802
        self, request: pb.DiscardQuarantinedRequest, context: Context
    ) -> pb.DiscardQuarantinedResponse:
        """Delete quarantined webhooks."""
        _require_ids(request.ids)
        return pb.DiscardQuarantinedResponse(discarded=await self._store.discard_quarantined(list(request.ids)))

    async def GetPayload(  # noqa: N802
        self, request: pb.GetPayloadRequest, context: Context
    ) -> AsyncGenerator[pb.GetPayloadResponse, None]:
        """Stream the webhook body that an event came from."""
        _require(_number_violations("position", request.position))
        payload = await self._store.read_payload(request.position)
        if payload is None:
            raise PayloadNotFound(f"no body is stored for an event at position {request.position}")
        first = pb.GetPayloadResponse(provider=payload.provider)
        write_time(first.received_time, payload.received_time)
        yield first
        for chunk in chunks(payload.body):
            yield pb.GetPayloadResponse(chunk=chunk)


def _require_ids(ids: Sequence[int]) -> None:
    if len(ids) > QUARANTINE_IDS:
        raise BatchTooLarge(f"ids: must be at most {QUARANTINE_IDS}; found {len(ids)}; split the batch")
    _require(violation for index, each in enumerate(ids) for violation in _number_violations(f"ids[{index}]", each))


def _number_violations(field: str, number: int) -> Iterator[Violation]:
    if number < 1:
        yield Violation(field, f"must be at least 1; found {number}")


def _require(violations: Iterable[Violation]) -> None:
    found = list(violations)
    if found:
        raise InvalidRequest(found)
