"""One fact that a provider reported about one recipient, in msgstate's own words.

All times are microseconds since 1970-01-01 UTC. The structs that are `array_like` are written to the store and
read from it as JSON arrays, so their fields' order is part of the stored form: new fields go last. None of them can be
part of a cycle, so the collector need not look at them (`gc=False`).
"""

from enum import IntEnum
from typing import Final

import msgspec

ACCOUNT: Final = "account"
"""The metadata key of the account whose URL a webhook came in at."""


class EventType(IntEnum):
    """What happened; the numbers are those of `msgstate.v1.EventType`."""

    UNSPECIFIED = 0
    ACCEPTED = 1
    DEFERRED = 2
    HELD = 3
    OTHER = 4
    SENT = 5
    ERRORED = 6
    SUPPRESSED = 7
    DELIVERED = 8
    AUTO_REPLIED = 9
    COMPLAINED = 10
    UNSUBSCRIBED = 11
    OPENED = 12
    READ = 13
    CLICKED = 14
    REPLIED = 15
    BOUNCED = 16
    EXPIRED = 17


class Reason(IntEnum):
    """Why a message was deferred, held, suppressed or failed; the numbers are those of `msgstate.v1.Reason`."""

    UNSPECIFIED = 0
    INVALID_ADDRESS = 1
    MAILBOX_FULL = 2
    POLICY = 3
    SPAM = 4
    SUPPRESSION_LIST = 5
    UNVERIFIED_DOMAIN = 6
    RATE_LIMIT = 7
    TIMED_OUT = 8
    PROVIDER_ERROR = 9
    CANCELED = 10
    OTHER = 11


class EventAttributes(msgspec.Struct, omit_defaults=True, kw_only=True, gc=False):
    """What an event carries beside its identity, type and times; stored as one JSON object without its empty fields.

    `reported_recipient` is what the provider wrote, and `reported_message_id` the same without one pair of angle
    brackets; both are empty where they are the canonical form in `Event`. The last two are set only on rows that a
    migration moved to another recipient: `repeated` marks a second report of the same event, and `kept_fingerprint` is
    the fingerprint, in hex, that tokens already carry.
    """

    provider_type: str = ""
    event_id: str = ""
    reason: Reason = Reason.UNSPECIFIED
    detail: str = ""
    smtp_code: int = 0
    enhanced_code: str = ""
    url: str = ""
    user_agent: str = ""
    ip_address: str = ""
    automated: bool = False
    aliases: list[str] = []
    metadata: dict[str, str] = {}
    message_ref: str = ""
    reported_recipient: str = ""
    reported_message_id: str = ""
    repeated: bool = False
    kept_fingerprint: str = ""


class Event(msgspec.Struct, array_like=True, gc=False):
    """One normalized event about the recipient `(provider, message_id, recipient)`, both ids in canonical form.

    `occurred_time` is the provider's own time and may be missing; `received_time` is when msgstate got it.
    """

    provider: str
    message_id: str
    recipient: str
    type: EventType
    occurred_time: int | None
    received_time: int
    attributes: EventAttributes
