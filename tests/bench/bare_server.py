"""The limit of a read: a bare server that builds the same answers from memory. `bare_server.py FILE`; prints its port."""

import asyncio
import sys
from pathlib import Path

import grpc
from msgstate.v1 import message_status_service_pb2 as pb
from msgstate.v1 import message_status_service_pb2_grpc
from msgstate_server.domain.states import State
from msgstate_server.queries import MessageView
from msgstate_server.rpc.context import Context
from msgstate_server.rpc.conversion import message_to_proto
from msgstate_server.store.check import Audit
from msgstate_server.store.protocol import RecipientRecord
from msgstate_server.store.sqlite import SqliteAuditor


class _Memory(message_status_service_pb2_grpc.MessageStatusServiceServicer):
    def __init__(self, views: dict[str, MessageView]) -> None:
        self._views = views

    async def GetMessageStatus(  # noqa: N802
        self, request: pb.GetMessageStatusRequest, context: Context
    ) -> pb.GetMessageStatusResponse:
        status = message_to_proto(self._views[request.message_id], 1 << 20)
        return pb.GetMessageStatusResponse(status=status, resume_token="A" * 50)


async def _views(audit: Audit) -> dict[str, MessageView]:
    views: dict[str, MessageView] = {}
    async for record in audit.recipients():
        if isinstance(record, RecipientRecord):
            status = record.stored.status
            counts: dict[State, int] = {status.state: 1}
            view = MessageView(status.provider, status.message_id, status.state, [status], False, counts, [])
            views[status.message_id] = view
    return views


async def main() -> None:
    """Serve until killed."""
    async with SqliteAuditor(Path(sys.argv[1])).audit() as audit:
        views = await _views(audit)
    server = grpc.aio.server()
    message_status_service_pb2_grpc.add_MessageStatusServiceServicer_to_server(_Memory(views), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)  # noqa: T201
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main())
