"""Between the contract's messages and the domain's values."""

from typing import Final, TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

from msgstate.v1 import event_pb2, event_service_pb2, log_pb2, status_pb2
from msgstate_server.domain.decision import Disposition
from msgstate_server.domain.events import Event, EventAttributes, EventType, Reason
from msgstate_server.domain.limits import EVENT_BYTES
from msgstate_server.domain.log import LogEntry
from msgstate_server.domain.states import Evidence, State
from msgstate_server.domain.status import RecipientStatus
from msgstate_server.domain.validation import Violation
from msgstate_server.queries import MessageView

_EVENT_TYPES: Final = {
    event_type: event_pb2.EventType.Value(f"EVENT_TYPE_{event_type.name}") for event_type in EventType
}
_REASONS: Final = {reason: event_pb2.Reason.Value(f"REASON_{reason.name}") for reason in Reason}
_STATES: Final = {state: status_pb2.State.Value(f"STATE_{state.name}") for state in State}
DISPOSITIONS: Final = {
    disposition: event_service_pb2.Disposition.Value(f"DISPOSITION_{disposition.name}") for disposition in Disposition
}
"""The contract's value of each disposition."""
_EVENT_TYPES_BY_NUMBER: Final[dict[int, EventType]] = {int(event_type): event_type for event_type in EventType}
_REASONS_BY_NUMBER: Final[dict[int, Reason]] = {int(reason): reason for reason in Reason}
_T = TypeVar("_T")
_SECOND: Final = 1_000_000
_FIRST_SECOND: Final = -62_135_596_800
_LAST_SECOND: Final = 253_402_300_799
_NANOS: Final = 1_000_000_000


def event_from_proto(message: event_pb2.Event, received_time: int) -> tuple[Event, list[Violation]]:
    """The event, with the rules it breaks that only its wire form can break."""
    found: list[Violation] = []
    if message.HasField("received_time"):
        found.append(Violation("received_time", "is output only; leave it out"))
    size = message.ByteSize()
    if size > EVENT_BYTES:
        found.append(Violation("", f"an event must be at most {EVENT_BYTES} bytes; found {size}"))
    aliases, metadata = message.aliases, message.metadata
    attributes = EventAttributes(
        provider_type=message.provider_type,
        event_id=message.event_id,
        reason=_known(_REASONS_BY_NUMBER, message.reason, Reason.OTHER, "reason", found),
        detail=message.detail,
        smtp_code=message.smtp_code,
        enhanced_code=message.enhanced_code,
        url=message.url,
        user_agent=message.user_agent,
        ip_address=message.ip_address,
        automated=message.automated,
        aliases=list(aliases) if aliases else [],
        metadata=dict(metadata) if metadata else {},
    )
    event = Event(
        message.provider,
        message.message_id,
        message.recipient,
        _known(_EVENT_TYPES_BY_NUMBER, message.type, EventType.OTHER, "type", found),
        time_from_proto(message.occurred_time, "occurred_time", found) if message.HasField("occurred_time") else None,
        received_time,
        attributes,
    )
    return event, found


def _known(values: dict[int, _T], number: int, stand_in: _T, field: str, found: list[Violation]) -> _T:
    value = values.get(number)
    if value is None:
        known = f"0 to {max(values)}"
        found.append(Violation(field, f"must be a value that this server knows ({known}); found {number}"))
        return stand_in
    return value


def time_from_proto(time: Timestamp, field: str, found: list[Violation]) -> int:
    """Microseconds since 1970; a time outside the years 1 to 9999 is added to what was found."""
    if not _FIRST_SECOND <= time.seconds <= _LAST_SECOND or not 0 <= time.nanos < _NANOS:
        found.append(
            Violation(
                field,
                "must be within the years 1 to 9999, with 0 to 999,999,999 nanos; "
                f"found {time.seconds} seconds and {time.nanos} nanos",
            )
        )
    return time.seconds * _SECOND + time.nanos // 1000


def time_to_proto(time: int | None) -> Timestamp | None:
    """A protobuf time; None stays None."""
    if time is None:
        return None
    seconds, micros = divmod(time, _SECOND)
    return Timestamp(seconds=seconds, nanos=micros * 1000)


def event_to_proto(event: Event) -> event_pb2.Event:
    """The event as it goes out, with its receipt time."""
    attributes = event.attributes
    return event_pb2.Event(
        provider=event.provider,
        message_id=event.message_id,
        recipient=event.recipient,
        type=_EVENT_TYPES[event.type],
        provider_type=attributes.provider_type,
        event_id=attributes.event_id,
        occurred_time=time_to_proto(event.occurred_time),
        reason=_REASONS[attributes.reason],
        detail=attributes.detail,
        smtp_code=attributes.smtp_code,
        enhanced_code=attributes.enhanced_code,
        url=attributes.url,
        user_agent=attributes.user_agent,
        ip_address=attributes.ip_address,
        automated=attributes.automated,
        aliases=attributes.aliases,
        metadata=attributes.metadata,
        received_time=time_to_proto(event.received_time),
    )


def transition_to_proto(entry: LogEntry) -> log_pb2.Transition:
    """The transition that an entry of the log is."""
    event = entry.event
    return log_pb2.Transition(
        position=entry.position,
        provider=event.provider,
        message_id=event.message_id,
        recipient=event.recipient,
        from_state=_STATES[entry.before.state],
        to_state=_STATES[entry.after.state],
        version=entry.version,
        event=event_to_proto(event),
        failure=_failure_of(entry) if entry.after.state is State.FAILED else None,
        commit_time=time_to_proto(entry.commit_time),
    )


def _failure_of(entry: LogEntry) -> status_pb2.Failure:
    attributes = entry.event.attributes
    return status_pb2.Failure(
        reason=_REASONS[attributes.reason],
        final=entry.after is Evidence.FAILED,
        smtp_code=attributes.smtp_code,
        enhanced_code=attributes.enhanced_code,
        detail=attributes.detail,
    )


def recipient_to_proto(status: RecipientStatus) -> status_pb2.RecipientStatus:
    """One recipient's status."""
    message = status_pb2.RecipientStatus(
        provider=status.provider,
        message_id=status.message_id,
        recipient=status.recipient,
        state=_STATES[status.state],
        queued_time=time_to_proto(status.queued_time),
        sent_time=time_to_proto(status.sent_time),
        delivered_time=time_to_proto(status.delivered_time),
        engaged_time=time_to_proto(status.engaged_time),
        failed_time=time_to_proto(status.failed_time),
        suppressed_time=time_to_proto(status.suppressed_time),
        complained_time=time_to_proto(status.complained_time),
        unsubscribed_time=time_to_proto(status.unsubscribed_time),
        open_count=status.open_count,
        click_count=status.click_count,
        last_event_time=time_to_proto(status.last_event_time),
        create_time=time_to_proto(status.create_time),
        update_time=time_to_proto(status.update_time),
        version=status.version,
        position=status.position,
    )
    if (failure := status.failure) is not None:
        message.failure.reason = _REASONS[failure.reason]
        message.failure.final = status.failure_final
        message.failure.smtp_code = failure.smtp_code
        message.failure.enhanced_code = failure.enhanced_code
        message.failure.detail = failure.detail
    if (suppression := status.suppression) is not None:
        message.suppression.reason = _REASONS[suppression.reason]
        message.suppression.detail = suppression.detail
    return message


def message_to_proto(view: MessageView, limit: int) -> status_pb2.MessageStatus:
    """A message's status with as many recipients as fit into `limit` bytes."""
    message = status_pb2.MessageStatus(
        provider=view.provider,
        message_id=view.message_id,
        state=_STATES[view.state],
        state_counts=[
            status_pb2.StateCount(state=_STATES[state], count=count) for state, count in sorted(view.counts.items())
        ],
        aliases=view.aliases,
        recipients_truncated=view.truncated,
    )
    size = message.ByteSize()
    for status in view.recipients:
        recipient = recipient_to_proto(status)
        size += recipient.ByteSize() + FIELD_OVERHEAD
        if size > limit:
            message.recipients_truncated = True
            break
        message.recipients.append(recipient)
    return message


FIELD_OVERHEAD: Final = 5
"""Most bytes that tag and length add to a nested message of less than 2 MiB."""
