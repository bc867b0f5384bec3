"""Turns what goes wrong around a handler into the errors of the contract."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, TypeAlias

import grpc
import structlog
from google.protobuf.message import DecodeError

from msgstate_server.domain.errors import InvalidRequest, MsgstateError
from msgstate_server.domain.validation import Violation
from msgstate_server.rpc.errors import abort, abort_internal

_OURS: Final = "/msgstate."
_log = structlog.get_logger("msgstate.rpc")

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Answers a request that cannot be decoded, an error of the domain and a fault of our own each as it should be."""

    def __init__(self) -> None:
        """Start with no handler wrapped."""
        self._wrapped: dict[str, Handler] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """Wrap the handlers of msgstate's own services, each once."""
        method = handler_call_details.method
        wrapped = self._wrapped.get(method)
        if wrapped is None:
            handler = await continuation(handler_call_details)
            if handler is None or not method.startswith(_OURS):
                return handler
            wrapped = self._wrapped[method] = _wrap(handler)
        return wrapped


class _Undecodable:
    """Stands for a request that is not what the method takes."""


def _wrap(handler: Handler) -> Handler:
    decode = _tolerant(handler.request_deserializer)
    if handler.unary_unary:
        return grpc.unary_unary_rpc_method_handler(
            _guard_call(handler.unary_unary), decode, handler.response_serializer
        )
    if handler.unary_stream:
        return grpc.unary_stream_rpc_method_handler(
            _guard_stream(handler.unary_stream), decode, handler.response_serializer
        )
    return grpc.stream_stream_rpc_method_handler(
        _guard_stream(handler.stream_stream), decode, handler.response_serializer
    )


def _tolerant(decode: Callable[[bytes], object]) -> Callable[[bytes], object]:
    def tolerant(data: bytes) -> object:
        try:
            return decode(data)
        except DecodeError:
            return _Undecodable()

    return tolerant


def _guard_call(call: Callable[..., Awaitable[object]]) -> Callable[..., Awaitable[object]]:
    async def guarded(request: object, context: Context) -> object:
        try:
            _require_decoded(request)
            return await call(request, context)
        except grpc.aio.AbortError:
            raise
        except Exception as error:  # noqa: BLE001
            await _abort(context, error)

    return guarded


def _guard_stream(stream: Callable[..., AsyncIterator[object]]) -> Callable[..., AsyncIterator[object]]:
    async def guarded(request: object, context: Context) -> AsyncIterator[object]:
        try:
            _require_decoded(request)
            async for response in stream(request, context):
                yield response
        except grpc.aio.AbortError:
            raise
        except Exception as error:  # noqa: BLE001
            await _abort(context, error)

    return guarded


def _require_decoded(request: object) -> None:
    if isinstance(request, _Undecodable):
        description = "cannot be decoded as the message that this method takes: it is truncated, or not protobuf"
        raise InvalidRequest([Violation("request", description)])


async def _abort(context: Context, error: Exception) -> None:
    if isinstance(error, MsgstateError):
        await abort(context, error)
    _log.error("a call failed", exc_info=error)
    await abort_internal(context)
