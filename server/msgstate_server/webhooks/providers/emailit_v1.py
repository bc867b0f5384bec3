"""Emailit's first webhooks: `{"event_id", "type", "object": {"email": {...}, ...}}`, with loose types."""

import re
from collections.abc import Sequence
from typing import Final

from msgstate_server.domain.events import Event, EventAttributes, EventType, Reason
from msgstate_server.webhooks.providers import smtp
from msgstate_server.webhooks.providers.times import microseconds
from msgstate_server.webhooks.providers.values import identifier, member, object_in, required_in, text, texts

_TYPES: Final = {
    "email.delivery.sent": (EventType.DELIVERED, Reason.UNSPECIFIED),
    "email.delivery.hardfail": (EventType.BOUNCED, Reason.UNSPECIFIED),
    "email.delivery.softfail": (EventType.DEFERRED, Reason.UNSPECIFIED),
    "email.delivery.bounce": (EventType.BOUNCED, Reason.UNSPECIFIED),
    "email.delivery.error": (EventType.DEFERRED, Reason.PROVIDER_ERROR),
    "email.delivery.held": (EventType.HELD, Reason.UNSPECIFIED),
    "email.delivery.delayed": (EventType.DEFERRED, Reason.RATE_LIMIT),
    "email.loaded": (EventType.OPENED, Reason.UNSPECIFIED),
    "email.link.clicked": (EventType.CLICKED, Reason.UNSPECIFIED),
}
_UNKNOWN: Final = (EventType.OTHER, Reason.UNSPECIFIED)
_SUPPRESSED: Final = (EventType.SUPPRESSED, Reason.SUPPRESSION_LIST)
_SUPPRESSION_LIST: Final = re.compile("suppression list|suppressed", re.IGNORECASE)
_INCOMING: Final = "incoming"


def events(provider: str, word: str, part: dict[str, object], received_time: int) -> Sequence[Event]:
    """Return the event that a part reports, or nothing if it is about incoming mail."""
    report = object_in(part, "object")
    email = object_in(report, "object.email")
    if email.get("type") == _INCOMING:
        return []
    occurred_time = microseconds(report.get("timestamp"))
    attributes = _attributes(report, email)
    event_type, reason = _type(word, attributes.detail)
    attributes.provider_type = word
    attributes.event_id = identifier(part.get("event_id"), "event_id")
    attributes.reason = smtp.reason(event_type, reason, attributes.enhanced_code)
    if occurred_time is None:
        attributes.metadata |= texts({"timestamp": report.get("timestamp")})
    return [
        Event(
            provider,
            required_in(email, "object.email.message_id"),
            required_in(email, "object.email.to"),
            event_type,
            occurred_time,
            received_time,
            attributes,
        )
    ]


def _type(word: str, detail: str) -> tuple[EventType, Reason]:
    known = _TYPES.get(word, _UNKNOWN)
    if known[0] is EventType.HELD and _SUPPRESSION_LIST.search(detail):
        return _SUPPRESSED
    return known


def _attributes(report: dict[str, object], email: dict[str, object]) -> EventAttributes:
    detail = text(report.get("details"))
    code, enhanced = smtp.reply_codes(detail)
    link = report.get("link")
    return EventAttributes(
        detail=detail,
        smtp_code=code,
        enhanced_code=enhanced,
        url=text(member(link, "url")),
        user_agent=text(report.get("user_agent")),
        ip_address=text(report.get("ip_address")),
        aliases=[
            identifier(email.get("id"), "object.email.id"),
            identifier(email.get("token"), "object.email.token"),
        ],
        metadata=texts(
            {
                "from": email.get("from"),
                "subject": email.get("subject"),
                "tag": email.get("tag"),
                "spam_status": email.get("spam_status"),
                "email.timestamp": email.get("timestamp"),
                "sent_with_ssl": report.get("sent_with_ssl"),
                "time": report.get("time"),
                "country": report.get("country"),
                "city": report.get("city"),
                "link.id": member(link, "id"),
            }
        ),
    )
