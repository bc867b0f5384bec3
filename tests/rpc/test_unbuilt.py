"""What the contract has and this server does not have yet."""

import asyncio
from collections.abc import Awaitable

import grpc
import pytest

from msgstate.v1 import admin_service_pb2 as admin
from msgstate.v1 import admin_service_pb2_grpc, event_service_pb2
from msgstate.v1 import message_status_service_pb2 as pb
from tests.rpc.running import DEADLINE, Client
from tests.rpc.samples import told

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_rpcs_that_are_not_built_say_so(shared: Client) -> None:
    """Each answers UNIMPLEMENTED at once, whether it would answer once or stream."""
    administration = admin_service_pb2_grpc.AdminServiceStub(shared.channel)
    asked: list[Awaitable[object]] = [
        shared.events.StreamEvents(iter([event_service_pb2.StreamEventsRequest(batch_id=1)]), timeout=DEADLINE).read(),
        shared.statuses.BatchGetMessageStatuses(pb.BatchGetMessageStatusesRequest(), timeout=DEADLINE),
        shared.statuses.ListMessageStatuses(pb.ListMessageStatusesRequest(), timeout=DEADLINE),
        shared.statuses.GetMessageHistory(pb.GetMessageHistoryRequest(), timeout=DEADLINE),
        shared.statuses.WatchEvents(pb.WatchEventsRequest(), timeout=DEADLINE).read(),
        administration.ListQuarantine(admin.ListQuarantineRequest(), timeout=DEADLINE),
        administration.GetQuarantined(admin.GetQuarantinedRequest(), timeout=DEADLINE).read(),
        administration.ReplayQuarantined(admin.ReplayQuarantinedRequest(), timeout=DEADLINE),
        administration.DiscardQuarantined(admin.DiscardQuarantinedRequest(), timeout=DEADLINE),
        administration.GetPayload(admin.GetPayloadRequest(), timeout=DEADLINE).read(),
    ]

    answers = await asyncio.gather(*asked, return_exceptions=True)

    errors = [answer for answer in answers if isinstance(answer, grpc.aio.AioRpcError)]
    assert [(told(error).code, told(error).reason) for error in errors] == [
        (grpc.StatusCode.UNIMPLEMENTED, "UNIMPLEMENTED")
    ] * len(asked)
