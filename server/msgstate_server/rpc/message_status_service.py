"""The handlers of `msgstate.v1.MessageStatusService`: reading statuses and history, and watching changes."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, TypeAlias

from msgstate.v1 import message_status_service_pb2 as pb
from msgstate.v1 import message_status_service_pb2_grpc
from msgstate_server.domain.limits import MESSAGE_RECIPIENTS, RESPONSE_BYTES
from msgstate_server.queries import (
    Listing,
    get_history,
    get_message,
    get_message_by_ref,
    get_messages,
    get_ref_history,
    list_statuses,
    read_key,
    read_ref_key,
    require_few,
    require_id_or_ref,
)
from msgstate_server.rpc.batch_answers import write_answers
from msgstate_server.rpc.context import Context
from msgstate_server.rpc.conversion import HEADROOM, message_to_proto, write_entry, write_recipient
from msgstate_server.rpc.list_requests import read_status_filter
from msgstate_server.rpc.paging import read_page_size, write_page
from msgstate_server.rpc.watch_requests import read_watch_request
from msgstate_server.store.protocol import MessageKey, RefKey, Store
from msgstate_server.watch import Batch, Watches
from msgstate_server.watch.token import Token

Written: TypeAlias = Any
"""An encoded response, shared by all watches that send it. It is sent as it is; the stubs have no type for that."""


class MessageStatusService(message_status_service_pb2_grpc.MessageStatusServiceServicer):
    """The proto documents what each rpc promises. Every resume token is taken before the read that it accompanies."""

    def __init__(self, store: Store, watches: Watches) -> None:
        """Answer from `store` and stream from `watches`."""
        self._store = store
        self._watches = watches

    async def GetMessageStatus(  # noqa: N802
        self, request: pb.GetMessageStatusRequest, context: Context
    ) -> pb.GetMessageStatusResponse:
        """Return one message's status."""
        token = Token.at(self._store.head)
        require_id_or_ref(request.message_id, request.message_ref)
        if request.message_ref:
            ref, recipient = read_ref_key(request.message_ref, request.provider, request.recipient)
            view = await get_message_by_ref(self._store, ref, recipient, MESSAGE_RECIPIENTS)
        else:
            view = await get_message(self._store, request.message_id, request.provider, request.recipient)
        return pb.GetMessageStatusResponse(
            status=message_to_proto(view, RESPONSE_BYTES - HEADROOM), resume_token=token.encode()
        )

    async def BatchGetMessageStatuses(  # noqa: N802
        self, request: pb.BatchGetMessageStatusesRequest, context: Context
    ) -> pb.BatchGetMessageStatusesResponse:
        """Return many messages' statuses."""
        require_few(len(request.keys))
        response = pb.BatchGetMessageStatusesResponse(resume_token=Token.at(self._store.head).encode())
        answers = await get_messages(self._store, [_key(key) for key in request.keys])
        write_answers(response, request.keys, answers)
        return response

    async def ListMessageStatuses(  # noqa: N802
        self, request: pb.ListMessageStatusesRequest, context: Context
    ) -> pb.ListMessageStatusesResponse:
        """List recipients' statuses."""
        head = self._store.head
        wanted = read_status_filter(request.filter)
        listing = Listing(head.log_id, "ListMessageStatuses", wanted)
        before = listing.place(request.page_token)
        page = await list_statuses(self._store, wanted, before, read_page_size(request.page_size))
        response = pb.ListMessageStatusesResponse(resume_token=Token.at(head).encode())
        statuses = [stored.status for stored in page.statuses]
        count = write_page(response.recipient_statuses, statuses, write_recipient)
        after = page.next if count == len(statuses) else page.statuses[count - 1].id
        response.next_page_token = listing.token(after)
        return response

    async def GetMessageHistory(  # noqa: N802
        self, request: pb.GetMessageHistoryRequest, context: Context
    ) -> pb.GetMessageHistoryResponse:
        """List a message's events."""
        require_id_or_ref(request.message_id, request.message_ref)
        limit = read_page_size(request.page_size)
        if request.message_ref:
            ref, recipient = read_ref_key(request.message_ref, request.provider, request.recipient)
            listing = Listing(self._store.head.log_id, "GetMessageHistory by ref", (ref, recipient))
            page = await get_ref_history(self._store, ref, recipient, listing.place(request.page_token) or 0, limit)
        else:
            asked, recipient = read_key(request.message_id, request.provider, request.recipient)
            listing = Listing(self._store.head.log_id, "GetMessageHistory", (asked, recipient))
            page = await get_history(self._store, asked, recipient, listing.place(request.page_token) or 0, limit)
        response = pb.GetMessageHistoryResponse()
        count = write_page(response.entries, page.entries, write_entry)
        last = page.next if count == len(page.entries) else page.entries[count - 1].position
        response.next_page_token = listing.token(last)
        return response

    def WatchTransitions(  # noqa: N802
        self, request: pb.WatchTransitionsRequest, context: Context
    ) -> AsyncGenerator[Written, None]:
        """Stream transitions."""
        return _written(self._watches.watch(read_watch_request(request)))

    def WatchEvents(  # noqa: N802
        self, request: pb.WatchEventsRequest, context: Context
    ) -> AsyncGenerator[Written, None]:
        """Stream events."""
        return _written(self._watches.watch(read_watch_request(request)))


def _key(key: pb.MessageKey) -> MessageKey | RefKey:
    """What a key of a batch names; one that names both an id and a ref is looked up by neither."""
    if key.message_ref and not key.message_id:
        return RefKey(key.provider, key.message_ref)
    return MessageKey(key.provider, "" if key.message_ref else key.message_id)


async def _written(watch: AsyncGenerator[Batch, None]) -> AsyncGenerator[Written, None]:
    """The responses of a watch. It does not keep the request in memory while the watch lasts."""
    async with aclosing(watch) as batches:
        async for batch in batches:
            yield batch.data
