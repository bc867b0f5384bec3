"""Emailit's webhooks since February 2026: an array of `{"event_id", "type", "data": {"object": {...}}}`."""

from collections.abc import Sequence
from itertools import islice
from typing import Final

from msgstate_server.domain.events import Event, EventAttributes, EventType, Reason
from msgstate_server.domain.limits import REPORT_RECIPIENTS
from msgstate_server.webhooks.providers import smtp
from msgstate_server.webhooks.providers.times import microseconds
from msgstate_server.webhooks.providers.unreadable import Unreadable
from msgstate_server.webhooks.providers.values import identifier, member, object_in, required, required_in, text, texts

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
_REF: Final = "message_ref"
"""The key of the sender's own metadata that holds the sender's own id of the message."""
_UNKNOWN: Final = (EventType.OTHER, Reason.UNSPECIFIED)
_NOT_TRACKED: Final = "email.received"

# These report on an email before it is attempted, so on all its recipients; any other word is about one address.
_OF_ALL_RECIPIENTS: Final = frozenset({"email.accepted", "email.scheduled", "email.canceled"})

# An email's `created_at` is when the email was created, so it is the event's time only if the event is the creation.
_TIMES: Final = ("timestamp", "unsubscribed_at", "resubscribed_at", "updated_at")
_MADE: Final = frozenset({"email.accepted", "email.scheduled"})
_EMAIL: Final = "email"
_META_PAIRS: Final = 1_000


def events(provider: str, word: str, part: dict[str, object], received_time: int) -> Sequence[Event]:
    """Return the events that a part reports, one for each recipient; nothing if it is about received mail."""
    if word == _NOT_TRACKED:
        return []
    report = _report(part)
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


def _report(part: dict[str, object]) -> dict[str, object]:
    """Return the report, which comes under `data`, at the top, or both."""
    nested = member(part.get("data"), "object")
    return nested if isinstance(nested, dict) else object_in(part, "object")


def _message_id(report: dict[str, object]) -> str:
    found = identifier(report.get("email_id"), "object.email_id")
    if found:
        return found
    if report.get("object") == _EMAIL:
        return required_in(report, "object.id")
    inner = identifier(member(report.get("email"), "id"), "object.email.id")
    return inner or required_in(report, "object.email_id")


def _recipients(word: str, report: dict[str, object]) -> list[str]:
    reported = report.get("to")
    if reported is None:
        reported = member(report.get("email"), "rcpt_to")
    if not isinstance(reported, list):
        return [required_in(report, "object.to") if reported is None else required(reported, "object.to")]
    if len(reported) > 1 and word not in _OF_ALL_RECIPIENTS:
        raise Unreadable(f"`object.to` names {len(reported)} recipients, and {word} does not say which one it is about")
    if len(reported) > REPORT_RECIPIENTS:
        raise Unreadable(f"`object.to` must name at most {REPORT_RECIPIENTS} recipients; found {len(reported)}")
    if not reported:
        raise Unreadable("`object.to` is empty")
    return [required(recipient, "object.to") for recipient in reported]


def _time(word: str, report: dict[str, object]) -> object:
    names = _TIMES if report.get("object") == _EMAIL and word not in _MADE else (*_TIMES, "created_at")
    return next((report[name] for name in names if report.get(name) is not None), None)


def _attributes(report: dict[str, object]) -> EventAttributes:
    email = report.get("email")
    link = report.get("link")
    meta = _first(report.get("meta"), member(email, "meta"))
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
        | _meta(meta),
        message_ref=_ref(meta),
    )


def _first(value: object, other: object) -> object:
    return other if value is None else value


def _ref(meta: object) -> str:
    """Return the sender's own id of the message, which is in the metadata if the sender set it."""
    ref = member(meta, _REF)
    return str(ref) if isinstance(ref, str | int) and not isinstance(ref, bool) else ""


def _meta(meta: object) -> dict[str, str]:
    """Return the sender's own metadata, each pair under `meta.`."""
    if not isinstance(meta, dict):
        return texts({"meta": meta})
    # Far more than fits into an event: the event of each recipient goes through all of them.
    return texts({f"meta.{key}": value for key, value in islice(meta.items(), _META_PAIRS)})
