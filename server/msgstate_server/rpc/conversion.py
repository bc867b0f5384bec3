"""Converts between the proto messages and the domain's values."""

from typing import Final, TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

from msgstate.v1 import event_pb2, event_service_pb2, log_pb2, status_pb2
from msgstate_server.domain.decision import Disposition
from msgstate_server.domain.events import Event, EventAttributes, EventType, Reason
from msgstate_server.domain.limits import EVENT_BYTES
from msgstate_server.domain.log import Effect, LogEntry
from msgstate_server.domain.states import Evidence, State
from msgstate_server.domain.status import RecipientStatus
from msgstate_server.domain.validation import TEXT_LIMITS, Violation
from msgstate_server.queries import MessageView

_EVENT_TYPES: Final = {
    event_type: event_pb2.EventType.Value(f"EVENT_TYPE_{event_type.name}") for event_type in EventType
}
_REASONS: Final = {reason: event_pb2.Reason.Value(f"REASON_{reason.name}") for reason in Reason}
_EFFECTS: Final = {effect: log_pb2.Effect.Value(f"EFFECT_{effect.name}") for effect in Effect}
_STATES: Final = {state: status_pb2.State.Value(f"STATE_{state.name}") for state in State}
DISPOSITIONS: Final = {
    disposition: event_service_pb2.Disposition.Value(f"DISPOSITION_{disposition.name}") for disposition in Disposition
}
"""The proto value of each disposition."""
_EVENT_TYPES_BY_NUMBER: Final[dict[int, EventType]] = {int(event_type): event_type for event_type in EventType}
_REASONS_BY_NUMBER: Final[dict[int, Reason]] = {int(reason): reason for reason in Reason}
_T = TypeVar("_T")
_SECOND: Final = 1_000_000
_FIRST_SECOND: Final = -62_135_596_800
_LAST_SECOND: Final = 253_402_300_799
_NANOS: Final = 1_000_000_000


def event_from_proto(message: event_pb2.Event, received_time: int) -> tuple[Event, list[Violation]]:
    """The event, and the violations that only its wire form can have."""
    found: list[Violation] = []
    if message.HasField("received_time"):
        found.append(Violation("received_time", "is output only; leave it out"))
    if message.reported_recipient:
        found.append(Violation("reported_recipient", "is output only; leave it out"))
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
        message_ref=message.message_ref,
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


def _known(values: dict[int, _T], number: int, fallback: _T, field: str, found: list[Violation]) -> _T:
    value = values.get(number)
    if value is None:
        known = f"0 to {max(values)}"
        found.append(Violation(field, f"must be a value that this server knows ({known}); found {number}"))
        return fallback
    return value


def time_from_proto(time: Timestamp, field: str, found: list[Violation]) -> int:
    """The time in microseconds since 1970; adds a violation to `found` if it is outside the years 1 to 9999."""
    if not _FIRST_SECOND <= time.seconds <= _LAST_SECOND or not 0 <= time.nanos < _NANOS:
        found.append(
            Violation(
                field,
                "must be within the years 1 to 9999, with 0 to 999,999,999 nanos; "
                f"found {time.seconds} seconds and {time.nanos} nanos",
            )
        )
    return time.seconds * _SECOND + time.nanos // 1000


def write_time(message: Timestamp, time: int) -> None:
    """Write a time, in microseconds since 1970, into an existing message."""
    message.seconds, micros = divmod(time, _SECOND)
    message.nanos = micros * 1000


# Set the fields one by one, and only those that have a value: keyword arguments take three to four times as long.


def event_to_proto(event: Event) -> event_pb2.Event:
    """The event as clients receive it, with its receipt time."""
    message = event_pb2.Event()
    write_event(message, event)
    return message


def write_event(message: event_pb2.Event, event: Event) -> None:
    """Write an event as clients receive it, with its receipt time, into an empty message."""
    message.provider = event.provider
    message.message_id = event.message_id
    message.recipient = event.recipient
    message.type = _EVENT_TYPES[event.type]
    if event.occurred_time is not None:
        write_time(message.occurred_time, event.occurred_time)
    write_time(message.received_time, event.received_time)
    attributes = event.attributes
    message.reason = _REASONS[attributes.reason]
    message.smtp_code = attributes.smtp_code
    message.automated = attributes.automated
    for field in _ATTRIBUTE_TEXTS:
        if text := getattr(attributes, field):
            setattr(message, field, text)
    if attributes.aliases:
        message.aliases.extend(attributes.aliases)
    if attributes.metadata:
        message.metadata.update(attributes.metadata)


_ATTRIBUTE_TEXTS: Final = (*(field for field, _ in TEXT_LIMITS), "reported_recipient")


def write_transition(message: log_pb2.Transition, entry: LogEntry) -> None:
    """Write a log entry as a transition into an empty message."""
    event = entry.event
    message.position = entry.position
    message.provider = event.provider
    message.message_id = event.message_id
    message.recipient = event.recipient
    message.from_state = _STATES[entry.before.state]
    message.to_state = _STATES[entry.after.state]
    message.version = entry.version
    write_event(message.event, event)
    write_time(message.commit_time, entry.commit_time)
    if entry.message_refs:
        message.message_refs.extend(entry.message_refs)
    if entry.after.state is State.FAILED:
        _write_own_failure(message.failure, entry)


def _write_own_failure(message: status_pb2.Failure, entry: LogEntry) -> None:
    attributes = entry.event.attributes
    message.reason = _REASONS[attributes.reason]
    message.final = entry.after is Evidence.FAILED
    message.smtp_code = attributes.smtp_code
    message.enhanced_code = attributes.enhanced_code
    message.detail = attributes.detail


def write_entry(message: log_pb2.LogEntry, entry: LogEntry) -> None:
    """Write a log entry into an empty message."""
    message.position = entry.position
    write_event(message.event, entry.event)
    message.effect = _EFFECTS[entry.effect]
    message.from_state = _STATES[entry.before.state]
    message.to_state = _STATES[entry.after.state]
    message.version = entry.version
    write_time(message.commit_time, entry.commit_time)
    if entry.message_refs:
        message.message_refs.extend(entry.message_refs)


def write_recipient(message: status_pb2.RecipientStatus, status: RecipientStatus) -> None:
    """Write one recipient's status into an empty message."""
    message.provider = status.provider
    message.message_id = status.message_id
    message.recipient = status.recipient
    message.state = _STATES[status.state]
    for field in _MILESTONES:
        time = getattr(status, field)
        if time is not None:
            write_time(getattr(message, field), time)
    message.open_count = status.open_count
    message.click_count = status.click_count
    write_time(message.last_event_time, status.last_event_time)
    write_time(message.create_time, status.create_time)
    write_time(message.update_time, status.update_time)
    if status.compact_time is not None:
        write_time(message.compact_time, status.compact_time)
    write_time(message.state_change_time, status.state_change_time)
    if status.message_refs:
        message.message_refs.extend(status.message_refs)
    if status.metadata:
        message.metadata.update(status.metadata)
    message.version = status.version
    message.position = status.position
    if (failure := status.failure) is not None:
        message.failure.reason = _REASONS[failure.reason]
        message.failure.final = status.failure_final
        message.failure.smtp_code = failure.smtp_code
        message.failure.enhanced_code = failure.enhanced_code
        message.failure.detail = failure.detail
    if (suppression := status.suppression) is not None:
        message.suppression.reason = _REASONS[suppression.reason]
        message.suppression.detail = suppression.detail


_MILESTONES: Final = (
    "queued_time",
    "sent_time",
    "delivered_time",
    "engaged_time",
    "failed_time",
    "suppressed_time",
    "complained_time",
    "unsubscribed_time",
)


def message_to_proto(view: MessageView, limit: int) -> status_pb2.MessageStatus:
    """A message's status, with as many recipients as fit into `limit` bytes."""
    message = status_pb2.MessageStatus()
    write_message(message, view, limit)
    return message


def write_message(message: status_pb2.MessageStatus, view: MessageView, limit: int) -> None:
    """Write a message's status into an empty message, with as many recipients as fit into `limit` bytes."""
    message.provider = view.provider
    message.message_id = view.message_id
    message.state = _STATES[view.state]
    for state, count in sorted(view.counts.items()):
        message.state_counts.add(state=_STATES[state], count=count)
    message.aliases.extend(view.aliases)
    if view.message_ref:
        message.message_ref = view.message_ref
        message.message_ids.extend(view.message_ids)
    message.recipients_truncated = view.truncated
    size = message.ByteSize()
    for status in view.recipients:
        recipient = message.recipients.add()
        write_recipient(recipient, status)
        size += recipient.ByteSize() + FIELD_OVERHEAD
        if size > limit:
            del message.recipients[-1]
            message.recipients_truncated = True
            break


FIELD_OVERHEAD: Final = 5
"""The maximum number of bytes that tag and length add to a nested message smaller than 2 MiB."""
HEADROOM: Final = 4_096
"""Bytes of a response reserved for its token and other fields."""
