"""The limit of a call: a bare server that gives the same answers from memory. Each handler is one line of work.

`bare_server empty` answers `PublishEvents` with nothing; `bare_server get FILE COUNT MESSAGES` has those messages of a
finished file in memory that so many look-ups are about. It prints its port.
"""

import asyncio
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.message import Message

from msgstate.v1 import event_service_pb2
from msgstate.v1 import message_status_service_pb2 as pb
from msgstate_server.domain.limits import RESPONSE_BYTES
from msgstate_server.rpc.context import Context
from msgstate_server.rpc.conversion import message_to_proto
from msgstate_server.store.sqlite.connection import open_for_reading
from tests.bench.limits.straight_look_ups import TOKEN, read_views
from tests.bench.workload import look_ups

Handlers = dict[str, "grpc.RpcMethodHandler[Any, Any]"]


def unary(
    handle: Callable[[Any, Context], Any], request: type[Message], response: type[Message]
) -> "grpc.RpcMethodHandler[Any, Any]":
    """A method that decodes its request and encodes its answer, and does nothing else of its own."""
    return grpc.unary_unary_rpc_method_handler(handle, request.FromString, response.SerializeToString)


async def run(service: str, handlers: Handlers) -> None:
    """Serve until killed."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(f"msgstate.v1.{service}", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)  # noqa: T201
    await server.wait_for_termination()


def _empty() -> tuple[str, Handlers]:
    async def publish(
        _: event_service_pb2.PublishEventsRequest, __: Context
    ) -> event_service_pb2.PublishEventsResponse:
        return event_service_pb2.PublishEventsResponse()

    types = event_service_pb2.PublishEventsRequest, event_service_pb2.PublishEventsResponse
    return "EventService", {"PublishEvents": unary(publish, *types)}


def _get(file: Path, count: int, of_messages: int) -> tuple[str, Handlers]:
    with closing(open_for_reading(file)) as connection:
        views = {view.message_id: view for view in read_views(connection, look_ups(count, of_messages))}

    async def get(request: pb.GetMessageStatusRequest, _: Context) -> pb.GetMessageStatusResponse:
        status = message_to_proto(views[request.message_id], RESPONSE_BYTES)
        return pb.GetMessageStatusResponse(status=status, resume_token=TOKEN)

    types = pb.GetMessageStatusRequest, pb.GetMessageStatusResponse
    return "MessageStatusService", {"GetMessageStatus": unary(get, *types)}


def main() -> None:
    """Serve one kind of call."""
    match sys.argv[1:]:
        case ["empty"]:
            served = _empty()
        case ["get", file, count, messages]:
            served = _get(Path(file), int(count), int(messages))
        case _:
            raise SystemExit(f"no such server: {sys.argv[1:]}")
    asyncio.run(run(*served))


if __name__ == "__main__":
    main()
