"""Reads SMTP replies: the code, the enhanced code (RFC 3463), and the reason that the enhanced code means."""

import re
from typing import Final

from msgstate_server.domain.events import EventType, Reason

_ENHANCED: Final = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}")
_CODE: Final = re.compile(r"[2-5][0-9]{2}")
_REPLY: Final = re.compile(r"\s*([2-5][0-9]{2})(?:[ -]+([245]\.[0-9]{1,3}\.[0-9]{1,3})(?![0-9.]))?(?=[\s-]|$)")

# By subject and detail, without the class: 4.2.2 and 5.2.2 both mean a full mailbox.
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
    """Return a reply code given as a number or a string; 0 if the value is not one."""
    written = str(value) if isinstance(value, (str, int)) else ""
    return int(written) if _CODE.fullmatch(written) else 0


def enhanced_code(value: object) -> str:
    """Return an enhanced code; an empty string if the value is not one."""
    return value if isinstance(value, str) and _ENHANCED.fullmatch(value) else ""


def reply_codes(reply: str) -> tuple[int, str]:
    """Return the code and the enhanced code at the start of a reply; 0 and an empty string if there are none."""
    found = _REPLY.match(reply)
    return (int(found[1]), found[2] or "") if found else (0, "")


def reason(event_type: EventType, reported: Reason, enhanced: str) -> Reason:
    """Return the reason the provider reported or, for a failure without one, the one that the enhanced code means."""
    if reported or event_type not in _EXPLAINED or not enhanced:
        return reported
    meaning = enhanced[2:]
    return Reason.POLICY if meaning.startswith(_POLICY) else _REASONS.get(meaning, Reason.UNSPECIFIED)
