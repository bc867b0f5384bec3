"""What an SMTP reply says: its code, its enhanced code (RFC 3463), and the reason they stand for."""

import re
from typing import Final

from msgstate_server.domain.events import EventType, Reason

_ENHANCED: Final = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}")
_CODE: Final = re.compile(r"[2-5][0-9]{2}")
_REPLY: Final = re.compile(r"\s*([2-5][0-9]{2})(?:[ -]+([245]\.[0-9]{1,3}\.[0-9]{1,3})(?![0-9.]))?(?=[\s-]|$)")

# By subject and detail, without the class: 4.2.2 and 5.2.2 mean the same mailbox.
_REASONS: Final = {
    "1.1": Reason.INVALID_ADDRESS,
    "1.2": Reason.INVALID_ADDRESS,
    "1.3": Reason.INVALID_ADDRESS,
    "1.10": Reason.INVALID_ADDRESS,
    "2.2": Reason.MAILBOX_FULL,
    "4.1": Reason.TIMED_OUT,
    "4.7": Reason.TIMED_OUT,
}
_POLICY: Final = "7."
_EXPLAINED: Final = {EventType.DEFERRED, EventType.ERRORED, EventType.BOUNCED, EventType.EXPIRED}


def smtp_code(value: object) -> int:
    """A reply code given as a number or a string; 0 where the value is none."""
    written = str(value) if isinstance(value, (str, int)) else ""
    return int(written) if _CODE.fullmatch(written) else 0


def enhanced_code(value: object) -> str:
    """An enhanced code; empty where the value is none."""
    return value if isinstance(value, str) and _ENHANCED.fullmatch(value) else ""


def reply_codes(reply: str) -> tuple[int, str]:
    """The code and the enhanced code that a reply's text starts with; 0 and empty where it does not."""
    found = _REPLY.match(reply)
    return (int(found[1]), found[2] or "") if found else (0, "")


def reason(event_type: EventType, reported: Reason, enhanced: str) -> Reason:
    """The reason the provider told or, for a failure without one, the one that the enhanced code stands for."""
    if reported or event_type not in _EXPLAINED or not enhanced:
        return reported
    meaning = enhanced[2:]
    return Reason.POLICY if meaning.startswith(_POLICY) else _REASONS.get(meaning, Reason.UNSPECIFIED)
