"""Turns errors in and around a handler into the gRPC errors that the API documents."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, Final, NoReturn, TypeAlias

import grpc
import structlog
from google.protobuf.message import DecodeError

from msgstate_server.domain.errors import Draining, InvalidRequest, MsgstateError
from msgstate_server.domain.limits import BATCH_BYTES
from msgstate_server.domain.validation import Violation
from msgstate_server.rpc.context import Context
from msgstate_server.rpc.errors import abort, abort_internal
from msgstate_server.rpc.event_batches import batch_of_bytes_too_large

_OURS: Final = "/msgstate."
# Check the size before decoding: a request of the maximum size that holds many tiny events or keys takes seconds and a
# gigabyte of memory to decode.
_BATCHES: Final = {
    "/msgstate.v1.EventService/PublishEvents": "events",
    "/msgstate.v1.EventService/StreamEvents": "events",
    "/msgstate.v1.MessageStatusService/BatchGetMessageStatuses": "keys",
}
_log = structlog.get_logger("msgstate.rpc")

_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
_Unary = Callable[[Any, Context], Awaitable[object]]
_Accept = Callable[[AsyncIterator[object], Context], Awaitable[object]]
_Stream = Callable[[Any, Context], AsyncGenerator[object, None]]


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Answers undecodable requests, domain errors and bugs in the server with the right status."""

    def __init__(self) -> None:
        """Start without wrapped handlers."""
        self._wrapped: dict[str, _Handler] = {}
        self._draining = False
        self.refused = 0
        """The number of calls rejected while draining."""

    def drain(self) -> None:
        """Reject every new call with `Draining` from now on."""
        self._draining = True

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Wrap each handler of msgstate's own services once."""
        method = handler_call_details.method
        wrapped = self._wrapped.get(method)
        if wrapped is not None:
            return wrapped
        handler = await continuation(handler_call_details)
        if handler is None or not method.startswith(_OURS):
            return handler
        wrapped = self._wrapped[method] = _wrap(handler, self._require_open, _BATCHES.get(method))
        return wrapped

    def _require_open(self) -> None:
        if self._draining:
            self.refused += 1
            raise Draining("the server is shutting down; retry later or on another replica")


class _Rejected:
    """Replaces a request that cannot be decoded or is too large."""

    def __init__(self, error: MsgstateError) -> None:
        """Keep the reason."""
        self.error = error


def _wrap(handler: Any, admit: Callable[[], None], batch: str | None) -> _Handler:
    """The handler with error handling; `batch` names the request field with a batch size limit, if there is one."""
    decode = _decode_or_reject(handler.request_deserializer, batch)
    encode = _encode_unless_bytes(handler.response_serializer)
    if handler.unary_unary:
        return grpc.unary_unary_rpc_method_handler(_guard_unary(handler.unary_unary, admit), decode, encode)
    if handler.unary_stream:
        # Register it as a stream-stream method: gRPC would keep a single request and its bytes for as long as the call
        # lasts.
        return grpc.stream_stream_rpc_method_handler(
            _guard_stream(handler.unary_stream, admit, _read_one), decode, encode
        )
    return grpc.stream_stream_rpc_method_handler(
        _guard_stream(handler.stream_stream, admit, _read_each), decode, encode
    )


def _decode_or_reject(decode: Callable[[bytes], object], batch: str | None) -> Callable[[bytes], Any]:
    def decode_or_reject(data: bytes) -> object:
        if batch and len(data) > BATCH_BYTES:
            return _Rejected(batch_of_bytes_too_large(batch, len(data)))
        try:
            return decode(data)
        except DecodeError:
            description = "cannot be decoded as the message that this method accepts: it is truncated or not protobuf"
            return _Rejected(InvalidRequest([Violation("request", description)]))

    return decode_or_reject


def _encode_unless_bytes(encode: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    """Encode responses, except those that are already encoded, as those of watches are."""

    def encode_unless_bytes(response: object) -> bytes:
        return response if isinstance(response, bytes) else encode(response)

    return encode_unless_bytes


def _guard_unary(call: _Unary, admit: Callable[[], None]) -> Any:
    async def guarded(request: object, context: Context) -> object:
        try:
            admit()
            return await call(_decoded(request), context)
        except grpc.aio.AbortError:
            raise
        except Exception as error:  # noqa: BLE001
            await _abort(context, error)

    return guarded


def _guard_stream(stream: _Stream, admit: Callable[[], None], accept: _Accept) -> Any:
    async def guarded(requests: AsyncIterator[object], context: Context) -> AsyncIterator[object]:
        try:
            admit()
            # Close the handler at once if the call is cancelled, rather than when it is garbage collected.
            async with aclosing(stream(await accept(requests, context), context)) as responses:
                async for response in responses:
                    yield response
        except grpc.aio.AbortError:
            raise
        except Exception as error:  # noqa: BLE001
            await _abort(context, error)

    return guarded


def _decoded(request: object) -> object:
    if isinstance(request, _Rejected):
        raise request.error
    return request


async def _read_one(_: AsyncIterator[object], context: Context) -> object:
    request = await context.read()
    if request is grpc.aio.EOF:
        raise InvalidRequest([Violation("request", "is required; the call ended without one")])
    return _decoded(request)


async def _read_each(requests: AsyncIterator[object], _: Context) -> object:
    return _DecodedStream(requests)


class _DecodedStream:
    """The requests of a stream; raises the error when it reaches a rejected request."""

    def __init__(self, requests: AsyncIterator[object]) -> None:
        self._requests = aiter(requests)

    def __aiter__(self) -> AsyncIterator[object]:
        return self

    async def __anext__(self) -> object:
        return _decoded(await anext(self._requests))


async def _abort(context: Context, error: Exception) -> NoReturn:
    if isinstance(error, MsgstateError):
        await abort(context, error)
    _log.error("a call failed", exc_info=error)
    await abort_internal(context)
