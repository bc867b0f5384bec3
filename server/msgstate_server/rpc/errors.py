"""The one place that maps errors to gRPC statuses, with `ErrorInfo` and the other details that clients act on."""

from typing import Final, NoReturn

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from msgstate.v1 import message_status_service_pb2 as pb
from msgstate_server.domain import errors
from msgstate_server.rpc.context import Context

_DETAILS_KEY: Final = "grpc-status-details-bin"
_DOMAIN: Final = "msgstate"
_TEXT_BYTES: Final = 512
_DETAIL_BYTES: Final = 3_072
"""The maximum size of violations or metadata; whatever does not fit is left out. Clients drop a call whose trailers
exceed 8 KiB, and encoding enlarges the details."""

_CODES: Final = {
    errors.MessageNotFound: grpc.StatusCode.NOT_FOUND,
    errors.MessageAmbiguous: grpc.StatusCode.FAILED_PRECONDITION,
    errors.QuarantinedNotFound: grpc.StatusCode.NOT_FOUND,
    errors.PayloadNotFound: grpc.StatusCode.NOT_FOUND,
    errors.InvalidRequest: grpc.StatusCode.INVALID_ARGUMENT,
    errors.BatchTooLarge: grpc.StatusCode.INVALID_ARGUMENT,
    errors.ResponseTooLarge: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.PositionCompacted: grpc.StatusCode.OUT_OF_RANGE,
    errors.HistoryDiverged: grpc.StatusCode.FAILED_PRECONDITION,
    errors.TooManyWatchers: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.IngestQueueFull: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.Draining: grpc.StatusCode.UNAVAILABLE,
    errors.StoreUnavailable: grpc.StatusCode.UNAVAILABLE,
}


async def abort(context: Context, error: errors.MsgstateError) -> NoReturn:
    """End the call with the error's status."""
    code, text = _code(error), _truncated(str(error))
    status = status_pb2.Status(code=code.value[0], message=text, details=map(_pack, _details(error)))
    await context.abort(code, text, ((_DETAILS_KEY, status.SerializeToString()),))


def write_lookup_error(message: pb.LookupError, error: errors.MsgstateError) -> None:
    """Write an error that concerns one of several answers, and does not end the call, into an empty message."""
    message.code = _code(error).value[0]
    message.reason = error.reason
    message.message = _truncated(str(error))
    message.metadata.update(_info(error).metadata)


async def abort_internal(context: Context) -> NoReturn:
    """End the call with INTERNAL after a bug in the server, without revealing the cause to the client."""
    text = "internal error; the server log has the cause"
    info = error_details_pb2.ErrorInfo(reason=errors.MsgstateError.reason, domain=_DOMAIN)
    status = status_pb2.Status(code=code_pb2.INTERNAL, message=text, details=[_pack(info)])
    await context.abort(grpc.StatusCode.INTERNAL, text, ((_DETAILS_KEY, status.SerializeToString()),))


def _code(error: errors.MsgstateError) -> grpc.StatusCode:
    return _CODES.get(type(error), grpc.StatusCode.INTERNAL)


def _truncated(text: str) -> str:
    encoded = text.encode()
    return text if len(encoded) <= _TEXT_BYTES else encoded[:_TEXT_BYTES].decode(errors="ignore") + "…"


def _details(error: errors.MsgstateError) -> list[Message]:
    details: list[Message] = [_info(error)]
    if isinstance(error, errors.InvalidRequest):
        details.append(_bad_request(error))
    if isinstance(error, errors.RetryableError):
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(int(error.retry_after * 1000))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    return details


def _info(error: errors.MsgstateError) -> error_details_pb2.ErrorInfo:
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=_DOMAIN)
    for key, value in error.metadata.items():
        info.metadata[key] = value
        if info.ByteSize() > _DETAIL_BYTES:
            del info.metadata[key]
            break
    return info


def _bad_request(error: errors.InvalidRequest) -> error_details_pb2.BadRequest:
    request = error_details_pb2.BadRequest()
    for field, description in error.violations:
        request.field_violations.add(field=field, description=description)
        if request.ByteSize() > _DETAIL_BYTES:
            del request.field_violations[-1]
            break
    return request


def _pack(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed
