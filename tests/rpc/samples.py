"""Events as a sender publishes them, and errors as a client reads them."""

from typing import Final, NamedTuple
from urllib.parse import quote

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from msgstate.v1 import event_pb2

ACCEPTED = event_pb2.EVENT_TYPE_ACCEPTED
DEFERRED = event_pb2.EVENT_TYPE_DEFERRED
SENT = event_pb2.EVENT_TYPE_SENT
ERRORED = event_pb2.EVENT_TYPE_ERRORED
SUPPRESSED = event_pb2.EVENT_TYPE_SUPPRESSED
DELIVERED = event_pb2.EVENT_TYPE_DELIVERED
COMPLAINED = event_pb2.EVENT_TYPE_COMPLAINED
UNSUBSCRIBED = event_pb2.EVENT_TYPE_UNSUBSCRIBED
OPENED = event_pb2.EVENT_TYPE_OPENED
CLICKED = event_pb2.EVENT_TYPE_CLICKED
BOUNCED = event_pb2.EVENT_TYPE_BOUNCED
EXPIRED = event_pb2.EVENT_TYPE_EXPIRED


def event(  # noqa: PLR0913  (an event's own fields)
    message_id: str = "m1",
    event_type: event_pb2.EventType.ValueType = ACCEPTED,
    *,
    provider: str = "shop",
    recipient: str = "to@example.com",
    at: int | None = None,
    detail: str = "",
) -> event_pb2.Event:
    """A small event; `at` is the provider's time in seconds since 1970."""
    return event_pb2.Event(
        provider=provider,
        message_id=message_id,
        recipient=recipient,
        type=event_type,
        occurred_time=None if at is None else Timestamp(seconds=at),
        detail=detail,
    )


def large_event(message_id: str, event_type: event_pb2.EventType.ValueType = ACCEPTED) -> event_pb2.Event:
    """An event of nearly 16 KiB, every text of it within its limit."""
    large = event(message_id, event_type, detail="d" * 2_048)
    large.url = "u" * 2_048
    large.aliases.extend(f"{index:02}" + "a" * 700 for index in range(10))
    large.metadata["m"] = "m" * 4_000
    assert 15_000 < large.ByteSize() <= 16_384
    return large


TRAILER_BYTES: Final = 8_192
"""Most that every client takes by default of an error's code, text and details together, as they are encoded."""


def trailer_bytes(error: grpc.aio.AioRpcError) -> int:
    """How much the error's trailers take on the wire: details in base64, the text percent-encoded."""
    text = quote((error.details() or "").encode(), safe="")
    details = sum(len(key) + len(value) * 4 // 3 + 32 for key, value in error.trailing_metadata())
    return len(text) + details + 100


class Told(NamedTuple):
    """What an error tells a program."""

    code: grpc.StatusCode
    reason: str
    domain: str
    metadata: dict[str, str]
    fields: list[str]
    retry_seconds: float | None


def told(error: grpc.aio.AioRpcError) -> Told:
    """The error's code and details; its `google.rpc.Status` agrees with the call's own code and text."""
    status = rpc_status.from_call(error)  # type: ignore[arg-type]  # it needs no more than an error of aio has
    assert status is not None, error
    info, request, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
    unpacked = [message for detail in status.details for message in (info, request, retry) if detail.Unpack(message)]
    assert len(unpacked) == len(status.details)
    return Told(
        error.code(),
        info.reason,
        info.domain,
        dict(info.metadata),
        [violation.field for violation in request.field_violations],
        retry.retry_delay.ToMilliseconds() / 1_000 if retry in unpacked else None,
    )
