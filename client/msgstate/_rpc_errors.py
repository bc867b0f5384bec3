"""Turns what gRPC raises, and the error of one key of a batch, into the errors of the client."""

from collections.abc import Iterable
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError
from grpc import StatusCode

from msgstate import errors
from msgstate.v1 import message_status_service_pb2 as pb

_DETAILS_KEY: Final = "grpc-status-details-bin"
_READ_ANEW: Final = (
    "what changed since the token cannot be told. Read the statuses anew with list_statuses() and watch from its "
    "resume_token, or start at EARLIEST"
)
_LATE: Final = "{address} did not answer in time: try again, give it more time with timeout=..., or look at its log"
_TOO_LARGE: Final = "larger than max"
_OLD: Final = "max connection age"
_NOT_SERVING: Final = "backend unhealthy"
_NONE_SERVES: Final = (
    "no server at {address} serves now: those that are there say that they shut down, or cannot reach their database. "
    "Try again later, or look at a server's log; gRPC says: {said}"
)
_UNEXPLAINED: Final[dict[type[errors.MsgstateError], str]] = {
    errors.ServerUnavailable: "no server answers at {address}: is it running (`msgstate serve`), is this its address? "
    "gRPC says: {said}",
    errors.BatchTooLarge: "the batch is larger than any that the server takes: split it ({said})",
    errors.DeadlineExceeded: _LATE,
    errors.Unimplemented: "the server at {address} does not know this call: it is older than this client, so upgrade "
    "it ({said})",
}
"""What an error means that msgstate itself did not explain."""
_CODES: Final = {code.value[0]: code for code in StatusCode}
_BY_REASON: Final[dict[str, type[errors.MsgstateError]]] = {
    "MESSAGE_NOT_FOUND": errors.MessageNotFound,
    "QUARANTINED_NOT_FOUND": errors.QuarantinedNotFound,
    "PAYLOAD_NOT_FOUND": errors.PayloadNotFound,
    "MESSAGE_AMBIGUOUS": errors.MessageAmbiguous,
    "INVALID_REQUEST": errors.InvalidRequest,
    "BATCH_TOO_LARGE": errors.BatchTooLarge,
    "POSITION_COMPACTED": errors.PositionCompacted,
    "HISTORY_DIVERGED": errors.HistoryDiverged,
}
_BY_CODE: Final[dict[StatusCode, type[errors.MsgstateError]]] = {
    StatusCode.INVALID_ARGUMENT: errors.InvalidRequest,
    StatusCode.UNAVAILABLE: errors.ServerUnavailable,
    # A server that ends cuts off so what it has not looked at; what the client itself ends is not told as a failure.
    StatusCode.CANCELLED: errors.ServerUnavailable,
    StatusCode.DEADLINE_EXCEEDED: errors.DeadlineExceeded,
    StatusCode.RESOURCE_EXHAUSTED: errors.ResourceExhausted,
    StatusCode.UNAUTHENTICATED: errors.Unauthenticated,
    StatusCode.PERMISSION_DENIED: errors.PermissionDenied,
    StatusCode.UNIMPLEMENTED: errors.Unimplemented,
}


class _Details:
    """What the details of a status say."""

    def __init__(self, encoded: bytes) -> None:
        # Most programs never meet an error, so they need not pay for reading one.
        from google.rpc import error_details_pb2, status_pb2  # noqa: PLC0415

        info, bad, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
        status = status_pb2.Status()
        try:
            status.ParseFromString(encoded)
            for detail in status.details:
                for message in (info, bad, retry):
                    detail.Unpack(message)
        except DecodeError:
            # A proxy's, or cut on its way: the code says enough.
            pass
        self.reason: str = info.reason
        self.metadata = dict(info.metadata)
        self.violations = [(found.field, found.description) for found in bad.field_violations]
        self.retry_after = retry.retry_delay.ToTimedelta().total_seconds() if retry.HasField("retry_delay") else None


def error_of_rpc(failure: grpc.RpcError, address: str) -> errors.MsgstateError:
    """The error that a failed call to this address means."""
    code = failure.code()
    found = _Details(_trailer(failure.trailing_metadata() or ()))
    said = failure.details() or ""
    # gRPC itself refuses what is far too large, before msgstate can.
    too_large = code is StatusCode.RESOURCE_EXHAUSTED and not found.reason and _TOO_LARGE in said
    kind = errors.BatchTooLarge if too_large else _kind(found.reason, code)
    text = _text(kind, said, found, address)
    return kind(
        text,
        code=code,
        reason=found.reason,
        metadata=found.metadata,
        violations=found.violations,
        retry_after=found.retry_after,
    )


def is_old(failure: BaseException) -> bool:
    """Whether the error says no more than that the server ended the connection because of its age."""
    cause = failure.__cause__
    return isinstance(cause, grpc.RpcError) and cause.details() == _OLD


def deadline_error(address: str) -> errors.DeadlineExceeded:
    """The error of a stream on which nothing came in time."""
    return errors.DeadlineExceeded(_LATE.format(address=address), code=StatusCode.DEADLINE_EXCEEDED)


def error_of(error: pb.LookupError) -> errors.MsgstateError:
    """The error of one key of `get_statuses`, or of one id of `replay_quarantined`, as an exception to raise."""
    code = _CODES.get(error.code, StatusCode.UNKNOWN)
    return _kind(error.reason, code)(error.message, code=code, reason=error.reason, metadata=error.metadata)


def _kind(reason: str, code: StatusCode) -> type[errors.MsgstateError]:
    return _BY_REASON.get(reason) or _BY_CODE.get(code) or errors.MsgstateError


def _trailer(trailers: Iterable[Any]) -> bytes:
    for key, value in trailers:
        if key == _DETAILS_KEY and isinstance(value, bytes):
            return value
    return b""


def _text(kind: type[errors.MsgstateError], said: str, found: _Details, address: str) -> str:
    if kind in {errors.PositionCompacted, errors.HistoryDiverged}:
        return f"{said}; {_READ_ANEW}"
    if kind is errors.ServerUnavailable and not found.reason and _NOT_SERVING in said:
        return _NONE_SERVES.format(address=address, said=said)
    if not found.reason and kind in _UNEXPLAINED:
        return _UNEXPLAINED[kind].format(address=address, said=said)
    return said or f"{address} answered {kind.__name__} and no more"
