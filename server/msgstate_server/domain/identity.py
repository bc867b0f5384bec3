"""What makes two messages, two recipients or two events the same one."""

import re
from functools import lru_cache
from hashlib import blake2b
from typing import Final, NamedTuple
from unicodedata import normalize

import idna
import msgspec

from msgstate_server.domain.events import Event, EventAttributes
from msgstate_server.domain.limits import ID_BYTES

_canonical = msgspec.json.Encoder(order="deterministic")

_YEAR_2000: Final = 946_684_800_000_000
_DAY: Final = 86_400_000_000
_DOMAIN_CHARACTERS: Final = 253
"""The longest domain name that DNS allows; longer ones are not converted."""
_PHONE: Final = re.compile(r"\+[ ().-]*[0-9][0-9 ().-]*")
_WRAPPED: Final = re.compile(r"[^<>]*(<+)([^<>]*)(>+)")


class Identity(NamedTuple):
    """What names one recipient of one message: the provider, and both ids in canonical form."""

    provider: str
    message_id: str
    recipient: str


def normalize_id(value: str) -> str:
    """The canonical form of a message id, alias or ref: without enclosing white space and angle brackets."""
    value = value.strip()
    while len(value) > 1 and value[0] == "<" and value[-1] == ">":
        value = value[1:-1].strip()
    return value


@lru_cache(maxsize=16_384)
def normalize_recipient(value: str) -> str:
    """The canonical form of a recipient: one for all spellings of an address or a phone number.

    An address is trimmed, unwrapped from `Name <x>`, in NFC, its local part case-folded and its domain in A-labels
    (IDNA with the mapping of UTS 46). A domain that IDNA refuses is lower-cased. A phone number is in E.164 form.
    """
    value = _unwrapped(value)
    if _PHONE.fullmatch(value):
        return "+" + "".join(filter(str.isdigit, value))
    if value.isascii():
        return value.lower()
    local, at, domain = normalize("NFC", value).rpartition("@")
    return _case_folded(local) + at + _a_labels(domain) if at else _case_folded(domain)


def _unwrapped(value: str) -> str:
    value = value.strip()
    wrapped = _WRAPPED.fullmatch(value)
    if wrapped and len(wrapped[1]) == len(wrapped[3]):
        return wrapped[2].strip()
    return value


def _case_folded(text: str) -> str:
    """Full case folding in NFC. Folding can undo NFC and the reverse, so both repeat until nothing changes."""
    while (folded := normalize("NFC", text.casefold())) != text:
        text = folded
    return text


def _a_labels(domain: str) -> str:
    if not domain.isascii() and len(domain) <= _DOMAIN_CHARACTERS:
        try:
            return idna.encode(domain, uts46=True).decode("ascii")
        except UnicodeError:
            pass
    return normalize("NFC", domain.lower())


def first_form_id(value: str) -> str:
    """A message id in the form that event keys are made of: without one enclosing pair of angle brackets."""
    if len(value) > 1 and value[0] == "<" and value[-1] == ">":
        return value[1:-1]
    return value


def first_form_recipient(value: str) -> str:
    """A recipient in the form that event keys are made of: trimmed, unwrapped, its domain in lower case."""
    value = value.strip()
    if value.endswith(">") and value.count("<") == 1 and value.count(">") == 1:
        value = value[value.index("<") + 1 : -1].strip()
    local, at, domain = value.rpartition("@")
    return local + at + domain.lower() if at else value


def canonicalize(event: Event) -> None:
    """Bring the ids of an event as it was reported into canonical form; `attributes` keep what was reported."""
    attributes = event.attributes
    reported, event.recipient = event.recipient, normalize_recipient(event.recipient)
    if reported != event.recipient:
        attributes.reported_recipient = _kept(reported)
    reported, event.message_id = first_form_id(event.message_id), normalize_id(event.message_id)
    if reported != event.message_id:
        attributes.reported_message_id = reported
    if attributes.aliases:
        attributes.aliases = [normalize_id(alias) for alias in attributes.aliases]
    if attributes.message_ref:
        attributes.message_ref = normalize_id(attributes.message_ref)


def _kept(reported: str) -> str:
    """A recipient as it was reported, or its address alone where a display name is too long, or has U+0000."""
    is_harmless = len(reported) <= ID_BYTES // 4 and "\0" not in reported
    return reported if is_harmless else first_form_recipient(reported)


def event_key(event: Event) -> str:
    """The 128-bit key, in hex, under which an event of one recipient counts once.

    With an event id: of the id, the provider's word and the resolved type, since a provider may send one id under
    several types. Without: of the whole event but its receipt time, so that a webhook sent twice counts once.

    Keys are part of the fingerprints that tokens carry, so they must never change. They are made of the ids in the form
    that the first keys used, and not of the canonical form, which was defined later.
    """
    attributes = event.attributes
    if attributes.event_id:
        canonical: tuple[object, ...] = (attributes.event_id, attributes.provider_type, event.type)
        if attributes.repeated:
            canonical = (*canonical, attributes.reported_message_id, attributes.reported_recipient)
    else:
        reported_recipient, reported_message_id = attributes.reported_recipient, attributes.reported_message_id
        canonical = (
            event.provider,
            reported_message_id or event.message_id,
            first_form_recipient(reported_recipient) if reported_recipient else event.recipient,
            event.type,
            event.occurred_time,
            _as_reported(attributes),
        )
    return blake2b(_canonical.encode(canonical), digest_size=16).hexdigest()


def _as_reported(attributes: EventAttributes) -> EventAttributes:
    """The attributes without those that msgstate adds."""
    if attributes.reported_recipient or attributes.reported_message_id or attributes.kept_fingerprint:
        return msgspec.structs.replace(
            attributes, reported_recipient="", reported_message_id="", repeated=False, kept_fingerprint=""
        )
    return attributes


def provider_time(event: Event) -> int | None:
    """The provider's own time of an event if it is plausible: after 2000, at most a day ahead of its receipt."""
    occurred = event.occurred_time
    if occurred is not None and _YEAR_2000 <= occurred <= event.received_time + _DAY:
        return occurred
    return None
