"""Servers that do what a test says, for what a good one never does."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as Packed
from google.rpc import error_details_pb2, status_pb2

from msgstate.v1 import message_status_service_pb2 as pb
from msgstate.v1.event_service_pb2 import StreamEventsRequest, StreamEventsResponse

PLACE = "t"
"""Of every batch that is acknowledged."""

Publishing = Callable[[Iterator[StreamEventsRequest], grpc.ServicerContext], Iterator[StreamEventsResponse]]
Status = Callable[[pb.GetMessageStatusRequest, grpc.ServicerContext], pb.GetMessageStatusResponse]
Watching = Callable[[pb.WatchTransitionsRequest, grpc.ServicerContext], Iterator[pb.WatchTransitionsResponse]]


@contextmanager
def serving(
    *, publishing: Publishing | None = None, watching: Watching | None = None, status: Status | None = None
) -> Iterator[str]:
    """The address of a server that answers StreamEvents, WatchTransitions and GetMessageStatus like this."""
    server = grpc.server(ThreadPoolExecutor(8))
    if publishing is not None:
        stream = grpc.stream_stream_rpc_method_handler(
            publishing, StreamEventsRequest.FromString, StreamEventsResponse.SerializeToString
        )
        _add(server, "EventService", {"StreamEvents": stream})
    if watching is not None:
        watch = grpc.unary_stream_rpc_method_handler(
            watching, pb.WatchTransitionsRequest.FromString, pb.WatchTransitionsResponse.SerializeToString
        )
        _add(server, "MessageStatusService", {"WatchTransitions": watch})
    if status is not None:
        get = grpc.unary_unary_rpc_method_handler(
            status, pb.GetMessageStatusRequest.FromString, pb.GetMessageStatusResponse.SerializeToString
        )
        _add(server, "MessageStatusService", {"GetMessageStatus": get})
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


def acknowledged(request: StreamEventsRequest) -> StreamEventsResponse:
    """The answer to a batch whose events are all new."""
    return StreamEventsResponse(batch_id=request.batch_id, accepted=len(request.events), resume_token=PLACE)


def retry_later() -> Any:
    """The trailers of an answer that asks to come back after a tenth of a second."""
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromMilliseconds(100)
    detail = Packed()
    detail.Pack(retry)
    status = status_pb2.Status(code=grpc.StatusCode.RESOURCE_EXHAUSTED.value[0], details=[detail])
    return (("grpc-status-details-bin", status.SerializeToString()),)


def _add(server: grpc.Server, service: str, handlers: "dict[str, grpc.RpcMethodHandler[Any, Any]]") -> None:
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(f"msgstate.v1.{service}", handlers),))
