"""Lists and histories as tests read them: page after page, each within its size."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from msgstate.v1 import log_pb2, status_pb2
from msgstate.v1 import message_status_service_pb2 as pb
from tests.rpc.running import DEADLINE, Client

MEBIBYTE = 1_048_576


async def page(client: Client, token: str = "", size: int = 0, **wanted: Any) -> pb.ListMessageStatusesResponse:
    """One page of a list."""
    request = pb.ListMessageStatusesRequest(page_size=size, page_token=token)
    request.filter.MergeFrom(pb.MessageStatusFilter(**wanted))
    response = await client.statuses.ListMessageStatuses(request, timeout=DEADLINE)
    assert response.ByteSize() <= MEBIBYTE
    assert response.resume_token
    return response


async def pages(client: Client, size: int = 0, **wanted: Any) -> AsyncIterator[pb.ListMessageStatusesResponse]:
    """Every page of a list."""
    token = ""
    while True:
        response = await page(client, token, size, **wanted)
        yield response
        token = response.next_page_token
        if not token:
            return


async def listed(client: Client, size: int = 0, **wanted: Any) -> list[status_pb2.RecipientStatus]:
    """The whole list."""
    return [status async for response in pages(client, size, **wanted) for status in response.recipient_statuses]


async def history_page(
    client: Client, message_id: str, token: str = "", size: int = 0, **wanted: Any
) -> pb.GetMessageHistoryResponse:
    """One page of a history."""
    request = pb.GetMessageHistoryRequest(message_id=message_id, page_token=token, page_size=size, **wanted)
    response = await client.statuses.GetMessageHistory(request, timeout=DEADLINE)
    assert response.ByteSize() <= MEBIBYTE
    return response


async def history(client: Client, message_id: str, size: int = 0, **wanted: Any) -> list[log_pb2.LogEntry]:
    """The whole history."""
    found: list[log_pb2.LogEntry] = []
    token = ""
    while True:
        response = await history_page(client, message_id, token, size, **wanted)
        found += response.entries
        token = response.next_page_token
        if not token:
            return found


async def list_error(client: Client, token: str = "", **wanted: Any) -> grpc.aio.AioRpcError:
    """The error with which a page of a list is answered."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await page(client, token, **wanted)
    return raised.value


async def history_error(client: Client, message_id: str, token: str = "", **wanted: Any) -> grpc.aio.AioRpcError:
    """The error with which a page of a history is answered."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await history_page(client, message_id, token, **wanted)
    return raised.value
