"""The handlers of `msgstate.v1.AdminService`, none of which is built yet."""

from collections.abc import AsyncIterator

from msgstate.v1 import admin_service_pb2 as pb
from msgstate.v1 import admin_service_pb2_grpc
from msgstate_server.rpc.context import Context
from msgstate_server.rpc.unbuilt import unbuilt


class AdminService(admin_service_pb2_grpc.AdminServiceServicer):
    """See the contract for what each rpc promises."""

    async def ListQuarantine(  # noqa: N802
        self, request: pb.ListQuarantineRequest, context: Context
    ) -> pb.ListQuarantineResponse:
        """Not built yet."""
        await unbuilt(context)

    async def GetQuarantined(  # noqa: N802
        self, request: pb.GetQuarantinedRequest, context: Context
    ) -> AsyncIterator[pb.GetQuarantinedResponse]:
        """Not built yet."""
        await unbuilt(context)
        yield pb.GetQuarantinedResponse()  # type: ignore[unreachable]

    async def ReplayQuarantined(  # noqa: N802
        self, request: pb.ReplayQuarantinedRequest, context: Context
    ) -> pb.ReplayQuarantinedResponse:
        """Not built yet."""
        await unbuilt(context)

    async def DiscardQuarantined(  # noqa: N802
        self, request: pb.DiscardQuarantinedRequest, context: Context
    ) -> pb.DiscardQuarantinedResponse:
        """Not built yet."""
        await unbuilt(context)

    async def GetPayload(  # noqa: N802
        self, request: pb.GetPayloadRequest, context: Context
    ) -> AsyncIterator[pb.GetPayloadResponse]:
        """Not built yet."""
        await unbuilt(context)
        yield pb.GetPayloadResponse()  # type: ignore[unreachable]
