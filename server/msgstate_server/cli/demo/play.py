"""What the demo plays: scenes of webhooks, in the providers' own words."""

import json
import time
from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import Final, NamedTuple

ORDER: Final = "order-1001"
RECEIPT: Final = "receipt-2002"
REMINDER: Final = "reminder-2003"
WELCOME: Final = "welcome-2004"
OFFER: Final = "offer-2005"
NEWSLETTER: Final = "newsletter-3003"
_HIDDEN: Final = "the provider's document as it stands: its sample hides the message id and the address"
SAMPLE: Final = "[email\N{NO-BREAK SPACE}protected]"
"""Emailit's sample, whose message id a web page made unreadable."""

ADA, GRACE, ALAN = "ada@example.com", "grace@example.com", "alan@example.com"
DENNIS, KEN, RADIA = "dennis@example.org", "ken@example.org", "radia@example.org"
TONY, FRANCES, DONALD = "tony@example.org", "frances@example.org", "donald@example.org"
MARGARET, EDSGER, BARBARA = "margaret@example.net", "edsger@example.net", "barbara@example.net"


class Step(NamedTuple):
    """One webhook: who posts it, its body, the message and the (last) recipient, and what to say of it."""

    provider: str
    what: str
    body: bytes
    message_id: str
    recipient: str
    note: str = ""


class Scene(NamedTuple):
    """A few webhooks that show one thing."""

    title: str
    steps: Sequence[Step]


def scenes() -> Iterator[Scene]:
    """The whole play; times in it are around now."""
    yield Scene("The providers' own samples, as their documentation gives them", list(_samples()))
    yield Scene("One message, three recipients: each has a state of its own", list(_order()))
    yield Scene("Late, twice, out of order: the state is the strongest evidence so far", list(_disorder()))
    yield Scene("What goes wrong, for now or for good", list(_trouble()))


def _samples() -> Iterator[Step]:
    registration, clicked = _seed("cloudmailin-registration"), _seed("emailit-clicked")
    yield Step("cloudmailin", "registration", registration, "b47c8008-84af-47aa-b39a-b0a3f358a0ee", "debug@smtp")
    yield Step("emailit", "email.delivery.sent", _seed("emailit-delivery"), SAMPLE, SAMPLE, _HIDDEN)
    yield Step("emailit", "email.loaded", _seed("emailit-loaded"), SAMPLE, SAMPLE)
    yield Step("emailit", "email.link.clicked", clicked, "", "", "not valid JSON as it stands: kept in quarantine")
    mended = clicked.replace(b'dev",\n', b'dev"\n')
    yield Step("emailit", "email.link.clicked", mended, SAMPLE, SAMPLE, "mended: counted")


def _order() -> Iterator[Step]:
    everyone = (ADA, GRACE, ALAN)
    yield _cloudmailin(ORDER, "registration", *everyone, note="three recipients in one webhook")
    yield _cloudmailin(ORDER, "dispatch", *everyone)
    yield _cloudmailin(ORDER, "delivery", ADA)
    yield _cloudmailin(ORDER, "soft_bounce", ALAN, details="452 4.2.2 Mailbox full", note="will be retried")
    yield _cloudmailin(ORDER, "delivery", GRACE)
    yield _cloudmailin(ORDER, "open", ADA)
    yield _cloudmailin(ORDER, "auto_reply", GRACE, note="out of office: arrived, not read")
    yield _cloudmailin(ORDER, "click", ADA, details={"url": "https://example.com/track"})
    yield _cloudmailin(ORDER, "delivery", ALAN, note="the retry worked")
    yield _cloudmailin(ORDER, "read", ADA)
    yield _cloudmailin(ORDER, "bounce_reply", GRACE, note="a person replied")


def _disorder() -> Iterator[Step]:
    yield _emailit(RECEIPT, "email.loaded", MARGARET, 2, note="the opening is reported first")
    late = _emailit(RECEIPT, "email.delivery.sent", MARGARET, 5, note="the delivery after it: its time counts")
    yield late
    yield late._replace(note="the same webhook again")
    yield _cloudmailin(ORDER, "dispatch", ADA, note="an old webhook again")
    yield _emailit(REMINDER, "email.delivery.delayed", EDSGER, 9, details="rate limit")
    yield _emailit(REMINDER, "email.delivery.error", EDSGER, 8, note="will be retried")
    yield _emailit(REMINDER, "email.delivery.sent", EDSGER, 3)
    yield _emailit(REMINDER, "email.link.clicked", EDSGER, 1, link={"id": 7, "url": "https://example.net/pay"})
    yield _emailit_v2(WELCOME, ("email.accepted", "email.delivered"), BARBARA, note="Emailit's second version: arrays")
    yield _emailit_v2(WELCOME, ("email.loaded",), BARBARA)
    yield _emailit_v2(WELCOME, ("email.complained",), BARBARA, note="a complaint is a fact beside the state")


def _trouble() -> Iterator[Step]:
    yield _cloudmailin(NEWSLETTER, "registration", DENNIS, KEN, RADIA, FRANCES, DONALD)
    yield _cloudmailin(NEWSLETTER, "dispatch", DENNIS, KEN)
    yield _cloudmailin(NEWSLETTER, "bounce", DENNIS, details="550 5.1.1 No such user here")
    yield _cloudmailin(
        NEWSLETTER, "suppressed", TONY, details="Recipient has previously bounced", note="never attempted"
    )
    yield _cloudmailin(NEWSLETTER, "error", RADIA, note="provisional: later evidence may overturn it")
    yield _cloudmailin(NEWSLETTER, "delivery", RADIA, note="and does")
    yield _cloudmailin(NEWSLETTER, "error", FRANCES)
    yield _cloudmailin(NEWSLETTER, "bounce", FRANCES, details="554 5.7.1 Rejected by policy", note="now it is final")
    yield _cloudmailin(NEWSLETTER, "rate_limit", DONALD)
    yield _cloudmailin(NEWSLETTER, "delivery", KEN)
    yield _cloudmailin(NEWSLETTER, "open", KEN)
    yield _cloudmailin(
        NEWSLETTER, "bounce", KEN, details="550 Forwarding failed", note="a late bounce is real: it wins"
    )
    yield _cloudmailin(NEWSLETTER, "retries_exhausted", DONALD)
    yield _cloudmailin(NEWSLETTER, "teleported", "grace@example.org", note="a kind nobody knows: kept and counted")
    yield _emailit(OFFER, "email.delivery.held", TONY, 1, details="Recipient is on the suppression list")


def _seed(name: str) -> bytes:
    return files("msgstate_server.cli.demo").joinpath(f"seeds/{name}.json").read_bytes()


def _cloudmailin(message_id: str, kind: str, *recipients: str, details: object = None, note: str = "") -> Step:
    base = {"kind": kind, "message_id": message_id} | ({"details": details} if details else {})
    events = [base | {"recipient": recipient} for recipient in recipients]
    return Step(
        "cloudmailin",
        _counted(kind, len(events)),
        json.dumps({"events": events}).encode(),
        message_id,
        recipients[-1],
        note,
    )


def _emailit(message_id: str, word: str, recipient: str, seconds_ago: int, note: str = "", **report: object) -> Step:
    """One event of the first version, which puts message ids in angle brackets."""
    email = {"type": "outgoing", "message_id": f"<{message_id}>", "to": recipient, "subject": "Hello"}
    event = {
        "event_id": f"{message_id}-{word}",
        "type": word,
        "object": {"email": email, "timestamp": time.time() - seconds_ago} | report,
    }
    return Step("emailit", word, json.dumps(event).encode(), message_id, recipient, note)


def _emailit_v2(message_id: str, types: Sequence[str], recipient: str, note: str = "") -> Step:
    email = {"object": "email", "id": message_id, "to": recipient, "subject": "Hello"}
    events = [{"event_id": f"{message_id}-{word}", "type": word, "data": {"object": email}} for word in types]
    return Step(
        "emailit",
        f"{types[0]} +{len(types) - 1}" if types[1:] else types[0],
        json.dumps(events).encode(),
        message_id,
        recipient,
        note,
    )


def _counted(kind: str, count: int) -> str:
    return kind if count == 1 else f"{kind} x{count}"
