"""What can go wrong for a caller: one class per case, its text for people and its attributes for programs."""

from collections.abc import Iterable, Mapping
from typing import Self

from grpc import StatusCode

from msgstate.v1.message_status_service_pb2 import MessageKey
from msgstate.v1.status_pb2 import MessageStatus


class MsgstateError(Exception):
    """Any failure of a call. The text says what happened and what to do about it."""

    code: StatusCode
    """The gRPC status code."""
    reason: str
    """The reason that the server gave, for example `MESSAGE_NOT_FOUND`; empty where it gave none."""
    metadata: dict[str, str]
    """What else the server told about the reason."""
    violations: list[tuple[str, str]]
    """The fields that broke a rule, each with a description: the field's path, what was found and the mend."""
    retry_after: float | None
    """Seconds after which the server may be asked again; None where it did not say."""

    def __init__(  # noqa: PLR0913  (one per attribute)
        self,
        message: str,
        *,
        code: StatusCode = StatusCode.UNKNOWN,
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
        violations: Iterable[tuple[str, str]] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.metadata = dict(metadata or {})
        self.violations = list(violations)
        self.retry_after = retry_after


class MessageNotFound(MsgstateError):
    """No message has this id or alias."""


class QuarantinedNotFound(MsgstateError):
    """Nothing in quarantine has this id: it was discarded, or was never there."""


class PayloadNotFound(MsgstateError):
    """No body is kept for this position: the event came by gRPC, its body is gone, or there is no such event."""


class MessageAmbiguous(MsgstateError):
    """The id names several messages: set the provider, or use the message id."""

    @property
    def messages(self) -> list[MessageKey]:
        """The messages that it names, at most 10."""
        # A map has no order of its own; the server numbers them.
        names = sorted(
            (name for name in self.metadata if name.startswith("message_")), key=lambda name: (len(name), name)
        )
        named = (self.metadata[name].partition("/") for name in names)
        return [MessageKey(provider=provider, message_id=message_id) for provider, _, message_id in named]


class InvalidRequest(MsgstateError):
    """Fields of the request break rules; `violations` names each."""


class BatchTooLarge(MsgstateError):
    """A batch is over its limits: split it."""


class PositionCompacted(MsgstateError):
    """A watch would start below the log that is still kept."""

    @property
    def earliest_position(self) -> int:
        """The first position that a watch can start at; 0 where the server did not say."""
        return int(self.metadata.get("earliest_position", 0))


class HistoryDiverged(MsgstateError):
    """A token is of another log than the server's: the store was replaced, or restored from an older copy."""


class ServerUnavailable(MsgstateError):
    """No server answers, or it cannot answer now, and so it stayed until the time for retries was over."""


class DeadlineExceeded(MsgstateError, TimeoutError):
    """No answer came in time. What was asked for may have happened."""


class ResourceExhausted(MsgstateError):
    """The server has no room for this now: its ingest queue is full, or it serves too many watches."""


class Unauthenticated(MsgstateError):
    """The server wants credentials, or other ones."""


class PermissionDenied(MsgstateError):
    """The credentials do not allow this."""


class Unimplemented(MsgstateError):
    """The server is older than this client and does not know this call."""


class ClientClosed(MsgstateError):
    """The client was closed, before the call or during it."""


class WaitTimeout(MsgstateError, TimeoutError):
    """The message did not reach the state in time."""

    status: MessageStatus | None
    """The last known status; None where no message with this id was seen."""

    def __init__(self, message: str, status: MessageStatus | None = None) -> None:
        super().__init__(message, code=StatusCode.DEADLINE_EXCEEDED)
        self.status = status


class WaitFailed(MsgstateError):
    """The message failed for good, so it cannot reach the state any more."""

    status: MessageStatus
    """Its status."""

    def __init__(self, message: str, status: MessageStatus) -> None:
        super().__init__(message, code=StatusCode.FAILED_PRECONDITION)
        self.status = status

    def __reduce__(self) -> tuple[type[Self], tuple[str, MessageStatus]]:
        return type(self), (str(self), self.status)
