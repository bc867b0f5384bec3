"""The one place where an error becomes a gRPC status, with `ErrorInfo` and what else a client acts on."""

from typing import Final, NoReturn

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from msgstate_server.domain import errors
from msgstate_server.rpc.context import Context

_DETAILS_KEY: Final = "grpc-status-details-bin"
_DOMAIN: Final = "msgstate"

_CODES: Final = {
    errors.MessageNotFound: grpc.StatusCode.NOT_FOUND,
    errors.MessageAmbiguous: grpc.StatusCode.FAILED_PRECONDITION,
    errors.InvalidRequest: grpc.StatusCode.INVALID_ARGUMENT,
    errors.BatchTooLarge: grpc.StatusCode.INVALID_ARGUMENT,
    errors.PositionCompacted: grpc.StatusCode.OUT_OF_RANGE,
    errors.HistoryDiverged: grpc.StatusCode.FAILED_PRECONDITION,
    errors.TooManyWatchers: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.IngestQueueFull: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.Draining: grpc.StatusCode.UNAVAILABLE,
    errors.StoreUnavailable: grpc.StatusCode.UNAVAILABLE,
}


async def abort(context: Context, error: errors.MsgstateError) -> NoReturn:
    """End the call with the error's status."""
    code = _CODES.get(type(error), grpc.StatusCode.INTERNAL)
    status = status_pb2.Status(code=code.value[0], message=str(error), details=map(_pack, _details(error)))
    await context.abort(code, str(error), ((_DETAILS_KEY, status.SerializeToString()),))


async def abort_internal(context: Context) -> NoReturn:
    """End the call after a fault of the service's own, of which the client learns nothing but that."""
    text = "the service failed; the fault is in its log"
    info = error_details_pb2.ErrorInfo(reason=errors.MsgstateError.reason, domain=_DOMAIN)
    status = status_pb2.Status(code=code_pb2.INTERNAL, message=text, details=[_pack(info)])
    await context.abort(grpc.StatusCode.INTERNAL, text, ((_DETAILS_KEY, status.SerializeToString()),))


def _details(error: errors.MsgstateError) -> list[Message]:
    details: list[Message] = [error_details_pb2.ErrorInfo(reason=error.reason, domain=_DOMAIN, metadata=error.metadata)]
    if isinstance(error, errors.InvalidRequest):
        violations = (
            error_details_pb2.BadRequest.FieldViolation(field=field, description=description)
            for field, description in error.violations
        )
        details.append(error_details_pb2.BadRequest(field_violations=violations))
    if isinstance(error, errors.RetryableError):
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(int(error.retry_after * 1000))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    return details


def _pack(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed
