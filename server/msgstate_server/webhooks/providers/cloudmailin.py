"""CloudMailin's outbound status events: `{"events": [{"kind", "recipient", "message_id"}]}`, without ids and times."""

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from msgstate_server.domain.events import Event, EventAttributes, EventType, Reason
from msgstate_server.webhooks.providers import smtp
from msgstate_server.webhooks.providers.reading import Part, Provider, array_parts
from msgstate_server.webhooks.providers.times import microseconds
from msgstate_server.webhooks.providers.values import array_in, as_object, identifier, required_in, text, texts, word_in

_T = TypeVar("_T")

_KINDS: Final = {
    "registration": (EventType.ACCEPTED, Reason.UNSPECIFIED),
    "dispatch": (EventType.SENT, Reason.UNSPECIFIED),
    "rate_limit": (EventType.DEFERRED, Reason.RATE_LIMIT),
    "delivery": (EventType.DELIVERED, Reason.UNSPECIFIED),
    "bounce": (EventType.BOUNCED, Reason.UNSPECIFIED),
    "soft_bounce": (EventType.DEFERRED, Reason.UNSPECIFIED),
    "dispatch_soft_bounce": (EventType.DEFERRED, Reason.UNSPECIFIED),
    "error": (EventType.ERRORED, Reason.PROVIDER_ERROR),
    "retries_exhausted": (EventType.EXPIRED, Reason.UNSPECIFIED),
    "open": (EventType.OPENED, Reason.UNSPECIFIED),
    "read": (EventType.READ, Reason.UNSPECIFIED),
    "click": (EventType.CLICKED, Reason.UNSPECIFIED),
    "auto_reply": (EventType.AUTO_REPLIED, Reason.UNSPECIFIED),
    "bounce_reply": (EventType.REPLIED, Reason.UNSPECIFIED),
    "suppressed": (EventType.SUPPRESSED, Reason.UNSPECIFIED),
    # CloudMailin no longer lists these older kinds but still sends them.
    "rate_limited": (EventType.DEFERRED, Reason.RATE_LIMIT),
    "dispatch_bounce": (EventType.BOUNCED, Reason.UNSPECIFIED),
    "complaint": (EventType.COMPLAINED, Reason.UNSPECIFIED),
    "blocked": (EventType.SUPPRESSED, Reason.SUPPRESSION_LIST),
    "spamd": (EventType.SUPPRESSED, Reason.SPAM),
    "process": (EventType.ACCEPTED, Reason.UNSPECIFIED),
}
_UNKNOWN: Final = (EventType.OTHER, Reason.UNSPECIFIED)

# CloudMailin documents three causes of `suppressed`; these words in the text tell them apart.
_SUPPRESSIONS: Final = (
    ("unverified", Reason.UNVERIFIED_DOMAIN),
    ("spam", Reason.SPAM),
    ("content check", Reason.SPAM),
    ("bounce", Reason.SUPPRESSION_LIST),
    ("suppression list", Reason.SUPPRESSION_LIST),
)

_FIELDS: Final = frozenset({"kind", "recipient", "message_id", "original_message_id", "timestamp", "details"})

# CloudMailin does not document the names in the details: these were seen, or are usual elsewhere.
_CODE: Final = ("smtp_code", "code", "status_code")
_ENHANCED: Final = ("enhanced_code", "smtp_enhanced_code", "status")
_DETAIL: Final = ("reason", "response", "smtp_response", "message", "description", "error")
_URL: Final = ("url", "link")
_USER_AGENT: Final = ("user_agent",)
_IP_ADDRESS: Final = ("ip_address", "ip")


def _parts(body: object) -> Sequence[Part]:
    return array_parts("/events", array_in(as_object(body, "the body"), "events"))


def _events(value: object, received_time: int) -> Sequence[Event]:
    part = as_object(value, "an event")
    word = word_in(part, "kind")
    message_id = required_in(part, "message_id")
    recipient = required_in(part, "recipient")
    occurred_time = microseconds(part.get("timestamp"))
    event_type, reason = _KINDS.get(word, _UNKNOWN)
    attributes = _attributes(part)
    attributes.provider_type = word
    attributes.reason = _reason(event_type, reason, attributes)
    attributes.aliases = [identifier(part.get("original_message_id"), "original_message_id")]
    if occurred_time is None:
        attributes.metadata |= texts({"timestamp": part.get("timestamp")})
    return [Event(CLOUDMAILIN.name, message_id, recipient, event_type, occurred_time, received_time, attributes)]


def _attributes(part: dict[str, object]) -> EventAttributes:
    """Read the details together with the fields of the event that CloudMailin does not document."""
    details = part.get("details")
    rest = {key: value for key, value in part.items() if key not in _FIELDS}
    if isinstance(details, dict):
        rest |= details
    code = _take(rest, _CODE, smtp.smtp_code, 0)
    enhanced = _take(rest, _ENHANCED, smtp.enhanced_code, "")
    detail = _take(rest, _DETAIL, _string, "") if isinstance(details, dict) else text(details)
    reply_code, reply_enhanced = smtp.reply_codes(detail)
    return EventAttributes(
        detail=detail,
        smtp_code=code or reply_code,
        enhanced_code=enhanced or reply_enhanced,
        url=_take(rest, _URL, _string, ""),
        user_agent=_take(rest, _USER_AGENT, _string, ""),
        ip_address=_take(rest, _IP_ADDRESS, _string, ""),
        metadata=texts({"details": rest or None}),
    )


def _take(rest: dict[str, object], names: Sequence[str], read: Callable[[object], _T], absent: _T) -> _T:
    """Remove from `rest` the first of the names whose value can be read, and return that value."""
    for name in names:
        value = read(rest.get(name))
        if value:
            del rest[name]
            return value
    return absent


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def _reason(event_type: EventType, reported: Reason, attributes: EventAttributes) -> Reason:
    if event_type is EventType.SUPPRESSED and not reported:
        detail = attributes.detail.lower()
        return next((reason for words, reason in _SUPPRESSIONS if words in detail), reported)
    return smtp.reason(event_type, reported, attributes.enhanced_code)


CLOUDMAILIN: Final = Provider("cloudmailin", _parts, _events)
"""CloudMailin, which reports on the email it sends."""
