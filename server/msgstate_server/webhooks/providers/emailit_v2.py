"""Emailit's webhooks since February 2026: an array of `{"event_id", "type", "data": {"object": {...}}}`."""

from collections.abc import Sequence
from itertools import islice
from typing import Final

from msgstate_server.domain.events import Event, EventAttributes, EventType, Reason
from msgstate_server.domain.limits import REPORT_RECIPIENTS
from msgstate_server.webhooks.providers import smtp
from msgstate_server.webhooks.providers.decoding import Unreadable
from msgstate_server.webhooks.providers.values import (
    as_object,
    identifier,
    member,
    microseconds,
    required,
    text,
    texts,
)

_TYPES: Final = {
    "email.accepted": (EventType.ACCEPTED, Reason.UNSPECIFIED),
    "email.scheduled": (EventType.ACCEPTED, Reason.UNSPECIFIED),
    "email.attempted": (EventType.DEFERRED, Reason.UNSPECIFIED),
    "email.delivered": (EventType.DELIVERED, Reason.UNSPECIFIED),
    "email.bounced": (EventType.BOUNCED, Reason.UNSPECIFIED),
    "email.failed": (EventType.ERRORED, Reason.UNSPECIFIED),
    "email.rejected": (EventType.SUPPRESSED, Reason.UNSPECIFIED),
    "email.suppressed": (EventType.SUPPRESSED, Reason.SUPPRESSION_LIST),
    "email.canceled": (EventType.SUPPRESSED, Reason.CANCELED),
    # Final in this version: a retry has a new id.
    "email.held": (EventType.SUPPRESSED, Reason.UNSPECIFIED),
    "email.loaded": (EventType.OPENED, Reason.UNSPECIFIED),
    "email.clicked": (EventType.CLICKED, Reason.UNSPECIFIED),
    "email.complained": (EventType.COMPLAINED, Reason.UNSPECIFIED),
    "email.unsubscribed": (EventType.UNSUBSCRIBED, Reason.UNSPECIFIED),
    "email.resubscribed": (EventType.OTHER, Reason.UNSPECIFIED),
}
_UNKNOWN: Final = (EventType.OTHER, Reason.UNSPECIFIED)
_NOT_TRACKED: Final = "email.received"

# Said of an email before it is tried, so of all that it is to; any other word is about one address.
_OF_ALL_RECIPIENTS: Final = frozenset({"email.accepted", "email.scheduled", "email.canceled"})

# An email's `created_at` is when it was made, which is the event's own time only where the event is its making.
_TIMES: Final = ("timestamp", "unsubscribed_at", "resubscribed_at", "updated_at")
_MADE: Final = frozenset({"email.accepted", "email.scheduled"})
_EMAIL: Final = "email"
_META_PAIRS: Final = 1_000


def events(provider: str, word: str, part: dict[str, object], received_time: int) -> Sequence[Event]:
    """The events that a part reports, one for each recipient it is about; none about received mail."""
    if word == _NOT_TRACKED:
        return []
    report = as_object(_report(part), "object")
    message_id = _message_id(report)
    event_type, reason = _TYPES.get(word, _UNKNOWN)
    occurred_time = microseconds(_time(word, report))
    attributes = _attributes(report)
    attributes.provider_type = word
    attributes.event_id = identifier(part.get("event_id"), "event_id")
    attributes.reason = smtp.reason(event_type, reason, attributes.enhanced_code)
    if occurred_time is None:
        attributes.metadata |= texts({"timestamp": _time(word, report)})
    return [
        Event(provider, message_id, recipient, event_type, occurred_time, received_time, attributes)
        for recipient in _recipients(word, report)
    ]


def _report(part: dict[str, object]) -> object:
    """What the event is about; it comes under `data`, at the top, or both."""
    nested = member(part.get("data"), "object")
    return nested if isinstance(nested, dict) else part.get("object")


def _message_id(report: dict[str, object]) -> str:
    found = identifier(report.get("email_id"), "object.email_id")
    if found:
        return found
    if report.get("object") == _EMAIL:
        return required(report.get("id"), "object.id")
    return required(member(report.get("email"), "id"), "object.email_id")


def _recipients(word: str, report: dict[str, object]) -> list[str]:
    reported = report.get("to")
    if reported is None:
        reported = member(report.get("email"), "rcpt_to")
    recipients = reported if isinstance(reported, list) else [reported]
    if len(recipients) > 1 and word not in _OF_ALL_RECIPIENTS:
        raise Unreadable(f"object.to names {len(recipients)} recipients, and {word} does not say which it is about")
    if len(recipients) > REPORT_RECIPIENTS:
        raise Unreadable(f"object.to must name at most {REPORT_RECIPIENTS} recipients; found {len(recipients)}")
    if not recipients:
        raise Unreadable("object.to is missing or empty; it is never guessed")
    return [required(recipient, "object.to") for recipient in recipients]


def _time(word: str, report: dict[str, object]) -> object:
    names = _TIMES if report.get("object") == _EMAIL and word not in _MADE else (*_TIMES, "created_at")
    return next((report[name] for name in names if report.get(name) is not None), None)


def _attributes(report: dict[str, object]) -> EventAttributes:
    email = report.get("email")
    link = report.get("link")
    response = text(report.get("smtp_response"))
    code, enhanced = smtp.reply_codes(response)
    return EventAttributes(
        detail=response,
        smtp_code=smtp.smtp_code(report.get("smtp_code")) or code,
        enhanced_code=smtp.enhanced_code(report.get("smtp_enhanced_code")) or enhanced,
        url=text(member(link, "url")),
        user_agent=text(report.get("user_agent")),
        ip_address=text(report.get("ip_address")),
        aliases=[
            identifier(report.get("message_id"), "object.message_id"),
            identifier(report.get("token"), "object.token"),
        ],
        metadata=texts(
            {
                "from": _first(report.get("from"), member(email, "mail_from")),
                "subject": _first(report.get("subject"), member(email, "subject")),
                "previous_status": report.get("previous_status"),
                "scheduled_at": report.get("scheduled_at"),
                "link.id": member(link, "id"),
                "campaign": _first(report.get("campaign"), member(email, "campaign")),
            }
        )
        | _meta(_first(report.get("meta"), member(email, "meta"))),
    )


def _first(value: object, other: object) -> object:
    return other if value is None else value


def _meta(meta: object) -> dict[str, str]:
    """The sender's own metadata, each pair under `meta.`."""
    if not isinstance(meta, dict):
        return texts({"meta": meta})
    # Far more than an event has room for: each of its recipients' events looks through all of them.
    return texts({f"meta.{key}": value for key, value in islice(meta.items(), _META_PAIRS)})
