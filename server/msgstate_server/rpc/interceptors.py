"""Turns what goes wrong around a handler into the errors of the contract."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, NoReturn, TypeAlias

import grpc
import structlog
from google.protobuf.message import DecodeError

from msgstate_server.domain.errors import Draining, InvalidRequest, MsgstateError
from msgstate_server.domain.validation import Violation
from msgstate_server.rpc.context import Context
from msgstate_server.rpc.errors import abort, abort_internal

_OURS: Final = "/msgstate."
_log = structlog.get_logger("msgstate.rpc")

_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
_Unary = Callable[[Any, Context], Awaitable[object]]
_Stream = Callable[[Any, Context], AsyncIterator[object]]


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Answers a request that cannot be decoded, an error of the domain and a fault of our own each as it should be."""

    def __init__(self) -> None:
        """Start with no handler wrapped."""
        self._wrapped: dict[str, _Handler] = {}
        self._draining = False

    def drain(self) -> None:
        """Answer every new call with `Draining` from now on."""
        self._draining = True

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Wrap the handlers of msgstate's own services, each once."""
        method = handler_call_details.method
        wrapped = self._wrapped.get(method)
        if wrapped is not None:
            return wrapped
        handler = await continuation(handler_call_details)
        if handler is None or not method.startswith(_OURS):
            return handler
        wrapped = self._wrapped[method] = _wrap(handler, self._require_open)
        return wrapped

    def _require_open(self) -> None:
        if self._draining:
            raise Draining("the service is shutting down; ask again later, or another replica")


class _Undecodable:
    """Stands for a request that is not what the method takes."""


def _wrap(handler: Any, admit: Callable[[], None]) -> _Handler:
    decode, encode = _tolerant(handler.request_deserializer), handler.response_serializer
    if handler.unary_unary:
        return grpc.unary_unary_rpc_method_handler(_guard_unary(handler.unary_unary, admit), decode, encode)
    if handler.unary_stream:
        return grpc.unary_stream_rpc_method_handler(_guard_stream(handler.unary_stream, admit), decode, encode)
    return grpc.stream_stream_rpc_method_handler(_guard_stream(handler.stream_stream, admit), decode, encode)


def _tolerant(decode: Callable[[bytes], object]) -> Callable[[bytes], Any]:
    def tolerant(data: bytes) -> object:
        try:
            return decode(data)
        except DecodeError:
            return _Undecodable()

    return tolerant


def _guard_unary(call: _Unary, admit: Callable[[], None]) -> Any:
    async def guarded(request: object, context: Context) -> object:
        try:
            admit()
            _require_decoded(request)
            return await call(request, context)
        except grpc.aio.AbortError:
            raise
        except Exception as error:  # noqa: BLE001
            await _abort(context, error)

    return guarded


def _guard_stream(stream: _Stream, admit: Callable[[], None]) -> Any:
    async def guarded(request: object, context: Context) -> AsyncIterator[object]:
        try:
            admit()
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


async def _abort(context: Context, error: Exception) -> NoReturn:
    if isinstance(error, MsgstateError):
        await abort(context, error)
    _log.error("a call failed", exc_info=error)
    await abort_internal(context)
