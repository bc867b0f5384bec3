"""The limit of a read: a bare server that builds the same answers from memory.

`bare_server FILE` serves the messages of a finished file and prints its port.
"""

import asyncio
import sys
from pathlib import Path

import grpc

from msgstate.v1 import message_status_service_pb2 as pb
from msgstate_server.domain.states import State
from msgstate_server.queries import MessageView
from msgstate_server.rpc.context import Context
from msgstate_server.rpc.conversion import message_to_proto
from msgstate_server.store.protocol import Audit, RecipientRecord
from msgstate_server.store.sqlite import SqliteAuditor


async def _read(audit: Audit) -> dict[str, MessageView]:
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
        views = await _read(audit)

    async def get(request: pb.GetMessageStatusRequest, _: Context) -> pb.GetMessageStatusResponse:
        status = message_to_proto(views[request.message_id], 1 << 20)
        return pb.GetMessageStatusResponse(status=status, resume_token="A" * 50)

    handler = grpc.unary_unary_rpc_method_handler(
        get, pb.GetMessageStatusRequest.FromString, pb.GetMessageStatusResponse.SerializeToString
    )
    server = grpc.aio.server()
    service = "msgstate.v1.MessageStatusService"
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"GetMessageStatus": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)  # noqa: T201
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main())
