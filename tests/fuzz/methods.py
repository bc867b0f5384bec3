"""Every method of the contract, and calls of it with bytes instead of messages."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, NamedTuple

import grpc
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2
from grpc import StatusCode
from grpc_status import rpc_status

from msgstate.v1 import admin_service_pb2, event_service_pb2, message_status_service_pb2
from tests.fuzz.promise import Broken, require

_INVALID: Final = frozenset({StatusCode.INVALID_ARGUMENT})
_NAMED: Final = _INVALID | {StatusCode.NOT_FOUND, StatusCode.FAILED_PRECONDITION}
_WATCH: Final = _INVALID | {StatusCode.FAILED_PRECONDITION, StatusCode.OUT_OF_RANGE}
_CODES: Final = {
    "GetMessageStatus": _NAMED,
    "GetMessageHistory": _NAMED,
    "WatchTransitions": _WATCH,
    "WatchEvents": _WATCH,
    "GetQuarantined": _NAMED,
    "GetPayload": _NAMED,
}
SECONDS: Final = 15.0
"""By when a call must be answered."""


class Method(NamedTuple):
    """One method, and which codes it documents."""

    name: str
    path: str
    request: type[Message]
    response: type[Message]
    takes_stream: bool
    gives_stream: bool
    codes: frozenset[StatusCode]


METHODS: Final = [
    Method(
        method.name,
        f"/{service.full_name}/{method.name}",
        GetMessageClass(method.input_type),
        GetMessageClass(method.output_type),
        method.client_streaming,
        method.server_streaming,
        _CODES.get(method.name, _INVALID),
    )
    for file in (event_service_pb2, message_status_service_pb2, admin_service_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
]
BY_NAME: Final = {method.name: method for method in METHODS}


class Answered(NamedTuple):
    """The responses of a call, and the code with which it failed."""

    responses: list[Any]
    code: StatusCode | None


async def call(channel: grpc.aio.Channel, method: Method, *requests: bytes) -> Answered:
    """Call a method to its end, a watch to its first response; raises `Broken` for an answer that is not documented."""
    responses: list[Any] = []
    code = None
    try:
        async with asyncio.timeout(SECONDS):
            async for response in _responses(channel, method, requests):
                responses += [method.response.FromString(response)]
    except grpc.aio.AioRpcError as error:
        code = error.code()
        _require_documented(method, error)
    except TimeoutError:
        raise Broken(f"{method.name} is answered within {SECONDS} s") from None
    require(bool(responses) or code is not None or method.takes_stream, "an answer comes or an error", method.name)
    return Answered(responses, code)


async def _responses(channel: grpc.aio.Channel, method: Method, requests: Sequence[bytes]) -> AsyncIterator[bytes]:
    if not method.gives_stream:
        yield await channel.unary_unary(method.path, bytes, bytes)(requests[0])
        return
    if method.takes_stream:
        opened: Any = channel.stream_stream(method.path, bytes, bytes)(_each(requests))
    else:
        opened = channel.unary_stream(method.path, bytes, bytes)(requests[0])
    try:
        async for response in opened:
            yield response
            if method.name.startswith("Watch"):
                break
    finally:
        opened.cancel()


async def _each(requests: Sequence[bytes]) -> AsyncIterator[bytes]:
    for request in requests:
        yield request


def _require_documented(method: Method, error: grpc.aio.AioRpcError) -> None:
    status = rpc_status.from_call(error)  # type: ignore[arg-type]  # it needs no more than an error of aio has
    require(status is not None, f"an error of {method.name} has details", error)
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    require(any(detail.Unpack(info) for detail in status.details), f"an error of {method.name} has ErrorInfo", error)
    require(info.domain == "msgstate" and info.reason != "", f"an error of {method.name} is msgstate's", info)
    require(error.code() in method.codes, f"an error of {method.name} has a documented code", error)
