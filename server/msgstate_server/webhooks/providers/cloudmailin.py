"""CloudMailin's outbound status events: `{"events": [{"kind", "recipient", "message_id"}]}`, without id or clock."""

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from msgstate_server.domain.events import Event, EventAttributes, EventType, Reason
from msgstate_server.webhooks.providers import smtp
from msgstate_server.webhooks.providers.decoding import Unreadable
from msgstate_server.webhooks.providers.reading import Part, Provider, array_parts
from msgstate_server.webhooks.providers.values import as_object, identifier, kind, microseconds, required, text, texts

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
    # Older kinds, no longer in CloudMailin's list but still seen.
    "rate_limited": (EventType.DEFERRED, Reason.RATE_LIMIT),
    "dispatch_bounce": (EventType.BOUNCED, Reason.UNSPECIFIED),
    "complaint": (EventType.COMPLAINED, Reason.UNSPECIFIED),
    "blocked": (EventType.SUPPRESSED, Reason.SUPPRESSION_LIST),
    "spamd": (EventType.SUPPRESSED, Reason.SPAM),
    "process": (EventType.ACCEPTED, Reason.UNSPECIFIED),
}
_UNKNOWN: Final = (EventType.OTHER, Reason.UNSPECIFIED)

# What the text beside `suppressed` names: its three causes in CloudMailin's documentation.
_SUPPRESSIONS: Final = (
    ("unverified", Reason.UNVERIFIED_DOMAIN),
    ("spam", Reason.SPAM),
    ("content check", Reason.SPAM),
    ("bounce", Reason.SUPPRESSION_LIST),
    ("suppression list", Reason.SUPPRESSION_LIST),
)

_FIELDS: Final = frozenset({"kind", "recipient", "message_id", "original_message_id", "timestamp", "details"})

# CloudMailin documents no names for the details, so each is looked for under those that were seen or are usual.
_CODE: Final = ("smtp_code", "code", "status_code")
_ENHANCED: Final = ("enhanced_code", "smtp_enhanced_code", "status")
_DETAIL: Final = ("reason", "response", "smtp_response", "message", "description", "error")
_URL: Final = ("url", "link")
_USER_AGENT: Final = ("user_agent",)
_IP_ADDRESS: Final = ("ip_address", "ip")


def _parts(body: object) -> Sequence[Part]:
    events = as_object(body, "the body").get("events")
    if not isinstance(events, list):
        raise Unreadable(f"events must be an array; found {kind(events)}")
    return array_parts("/events", events)


def _events(value: object, received_time: int) -> Sequence[Event]:
    part = as_object(value, "an event")
    word = part.get("kind")
    if not isinstance(word, str) or not word:
        raise Unreadable(f"kind must be a word; found {kind(word) if word != '' else 'an empty string'}")
    message_id = required(part.get("message_id"), "message_id")
    recipient = required(part.get("recipient"), "recipient")
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
    """What the details say, with any field of the event that CloudMailin does not document beside them."""
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
    """The first of the names whose value can be read, taken out of `rest`."""
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
"""CloudMailin, which reports on what it sends."""
