"""How the status of a failed call becomes an exception."""

import pickle
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode

import msgstate
from msgstate import MsgstateError
from msgstate._rpc_errors import error_of_rpc
from msgstate.v1.message_status_service_pb2 import LookupError as KeyFailure


class Failure(grpc.RpcError):
    """A failed call, as gRPC raises it."""

    def __init__(self, code: StatusCode, text: str, *details: Any, raw: bytes | None = None) -> None:
        super().__init__()
        self._code = code
        self._text = text
        self._raw = (
            status_pb2.Status(details=[_packed(each) for each in details]).SerializeToString() if raw is None else raw
        )

    def code(self) -> StatusCode:
        return self._code

    def details(self) -> str:
        return self._text

    def trailing_metadata(self) -> Any:
        return (("other", "text"), ("grpc-status-details-bin", self._raw))


def _packed(message: Any) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


def raised(code: StatusCode, reason: str = "", text: str = "the text", **metadata: str) -> MsgstateError:
    """The exception for a status with this reason."""
    info = error_details_pb2.ErrorInfo(reason=reason, domain="msgstate", metadata=metadata)
    return error_of_rpc(Failure(code, text, info), "server:1")


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (StatusCode.NOT_FOUND, "MESSAGE_NOT_FOUND", msgstate.MessageNotFound),
        (StatusCode.NOT_FOUND, "QUARANTINED_NOT_FOUND", msgstate.QuarantinedNotFound),
        (StatusCode.NOT_FOUND, "PAYLOAD_NOT_FOUND", msgstate.PayloadNotFound),
        (StatusCode.NOT_FOUND, "", MsgstateError),
        (StatusCode.FAILED_PRECONDITION, "MESSAGE_AMBIGUOUS", msgstate.MessageAmbiguous),
        (StatusCode.FAILED_PRECONDITION, "HISTORY_DIVERGED", msgstate.HistoryDiverged),
        (StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", msgstate.InvalidRequest),
        (StatusCode.INVALID_ARGUMENT, "BATCH_TOO_LARGE", msgstate.BatchTooLarge),
        (StatusCode.INVALID_ARGUMENT, "A_LATER_REASON", msgstate.InvalidRequest),
        (StatusCode.OUT_OF_RANGE, "POSITION_COMPACTED", msgstate.PositionCompacted),
        (StatusCode.UNAVAILABLE, "DRAINING", msgstate.ServerUnavailable),
        (StatusCode.UNAVAILABLE, "", msgstate.ServerUnavailable),
        (StatusCode.CANCELLED, "", msgstate.ServerUnavailable),
        (StatusCode.DEADLINE_EXCEEDED, "", msgstate.DeadlineExceeded),
        (StatusCode.RESOURCE_EXHAUSTED, "INGEST_QUEUE_FULL", msgstate.ResourceExhausted),
        (StatusCode.UNAUTHENTICATED, "", msgstate.Unauthenticated),
        (StatusCode.PERMISSION_DENIED, "", msgstate.PermissionDenied),
        (StatusCode.UNIMPLEMENTED, "", msgstate.Unimplemented),
        (StatusCode.INTERNAL, "INTERNAL", MsgstateError),
    ],
)
def test_every_status_has_its_class(code: StatusCode, reason: str, kind: type[MsgstateError]) -> None:
    """The reason names the class, else the code does, and what neither knows is a MsgstateError."""
    error = raised(code, reason)

    assert kind is type(error)
    assert (code, reason) == (error.code, error.reason)


def test_details_become_attributes() -> None:
    """Violations, metadata and the delay that the server wishes for are attributes."""
    bad = error_details_pb2.BadRequest()
    bad.field_violations.add(field="keys[1]", description="is empty")
    retry = error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=1, nanos=500_000_000))
    info = error_details_pb2.ErrorInfo(reason="X", metadata={"a": "b"})

    error = error_of_rpc(Failure(StatusCode.INVALID_ARGUMENT, "text", info, bad, retry), "server:1")

    assert ([("keys[1]", "is empty")], {"a": "b"}, 1.5) == (error.violations, error.metadata, error.retry_after)


def test_a_compacted_position_says_what_to_do() -> None:
    """PositionCompacted has the earliest position, and a text that says how to go on."""
    error = raised(StatusCode.OUT_OF_RANGE, "POSITION_COMPACTED", "kept from 7 on", earliest_position="7")

    assert isinstance(error, msgstate.PositionCompacted)
    assert 7 == error.earliest_position
    assert str(error).startswith("kept from 7 on; ")
    assert "list_statuses()" in str(error)
    assert "EARLIEST" in str(error)


@pytest.mark.parametrize("raw", [b"\xff\xff", b"\x1a\x05\x0a\x03abc", b""])
def test_details_that_cannot_be_read_do_no_harm(raw: bytes) -> None:
    """A trailer that is broken or another's leaves code and text."""
    error = error_of_rpc(Failure(StatusCode.UNAVAILABLE, "from a proxy", raw=raw), "server:1")

    assert isinstance(error, msgstate.ServerUnavailable)
    assert "server:1" in str(error)
    assert "from a proxy" in str(error)


@pytest.mark.parametrize("code", [StatusCode.UNIMPLEMENTED, StatusCode.DEADLINE_EXCEEDED, StatusCode.ABORTED])
def test_no_error_is_without_words(code: StatusCode) -> None:
    """Where the server says nothing the text names it."""
    assert "server:1" in str(error_of_rpc(Failure(code, ""), "server:1"))


def test_an_error_of_a_key_becomes_an_exception() -> None:
    """The error of one key is raised as the single call would have been."""
    error = msgstate.error_of(KeyFailure(code=5, reason="MESSAGE_NOT_FOUND", message="no message", metadata={"a": "b"}))

    assert isinstance(error, msgstate.MessageNotFound)
    assert ("no message", StatusCode.NOT_FOUND, {"a": "b"}) == (str(error), error.code, error.metadata)
    assert StatusCode.UNKNOWN is msgstate.error_of(KeyFailure(code=99)).code


@pytest.mark.parametrize(
    "make",
    [
        lambda: raised(StatusCode.NOT_FOUND, "MESSAGE_NOT_FOUND", a="b"),
        lambda: msgstate.WaitTimeout("text", msgstate.MessageStatus(message_id="m")),
        lambda: msgstate.WaitFailed("text", msgstate.MessageStatus(message_id="m")),
        lambda: msgstate.DeadlineExceeded("text", code=StatusCode.DEADLINE_EXCEEDED),
    ],
)
def test_errors_pass_between_processes(make: Callable[[], MsgstateError]) -> None:
    """An exception keeps its text and attributes when it is pickled, as worker pools do."""
    error = make()

    copy = pickle.loads(pickle.dumps(error))  # noqa: S301  (our own)

    assert (type(error), str(error), vars(error)) == (type(copy), str(copy), vars(copy))
