"""The rules that one event must keep before it can enter the log."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple

from msgstate_server.domain import limits
from msgstate_server.domain.events import Event, EventAttributes, EventType

_PROVIDER: Final = re.compile(limits.PROVIDER_PATTERN)
_SHOWN: Final = 60

TEXT_LIMITS: Final = (
    ("provider_type", limits.PROVIDER_TYPE_BYTES),
    ("event_id", limits.ID_BYTES),
    ("message_ref", limits.ID_BYTES),
    ("detail", limits.DETAIL_BYTES),
    ("enhanced_code", limits.ENHANCED_CODE_BYTES),
    ("url", limits.URL_BYTES),
    ("user_agent", limits.USER_AGENT_BYTES),
    ("ip_address", limits.IP_ADDRESS_BYTES),
)
"""The texts among an event's attributes, each with its limit in bytes."""


class Violation(NamedTuple):
    """A field that broke a rule: its path, and the rule with what was found."""

    field: str
    description: str


def violations(event: Event) -> list[Violation]:
    """Every rule that a normalized event breaks; empty where it may enter the log."""
    found: list[Violation] = []
    if not _PROVIDER.fullmatch(event.provider):
        rule = "must be 1 to 64 of a-z, 0-9, '_' and '-'"
        found.append(Violation("provider", f"{rule}; found {shown(event.provider)}"))
    _check_required("message_id", event.message_id, found)
    _check_required("recipient", event.recipient, found)
    if event.type is EventType.UNSPECIFIED:
        found.append(Violation("type", "must be set; use EVENT_TYPE_OTHER for a kind that has no type of its own"))
    _check_attributes(event.attributes, found)
    return found


def _check_required(field: str, value: str, found: list[Violation]) -> None:
    if not value:
        rule = "must not be empty; name the message and the recipient that the event is about"
        found.append(Violation(field, rule))
    elif is_suspect(value, limits.ID_BYTES):
        found.extend(text_violations(field, value, limits.ID_BYTES))


def _check_attributes(attributes: EventAttributes, found: list[Violation]) -> None:
    for field, limit in TEXT_LIMITS:
        value = getattr(attributes, field)
        if value and is_suspect(value, limit):
            found.extend(text_violations(field, value, limit))
    if not 0 <= attributes.smtp_code <= limits.SMTP_CODE_MAX:
        found.append(Violation("smtp_code", f"must be 0 to {limits.SMTP_CODE_MAX}; found {attributes.smtp_code}"))
    if attributes.aliases:
        found.extend(_alias_violations(attributes.aliases))
    if attributes.metadata:
        found.extend(_metadata_violations(attributes.metadata))


def is_suspect(value: str, limit: int) -> bool:
    """Whether a text needs a closer look: a character is at most 4 bytes, so most need none."""
    return len(value) > limit // 4 or "\0" in value


def _alias_violations(aliases: list[str]) -> Iterator[Violation]:
    if len(aliases) > limits.ALIASES:
        yield Violation("aliases", f"must be at most {limits.ALIASES}; found {len(aliases)}")
    for index, alias in enumerate(aliases[: limits.ALIASES]):
        if not alias:
            yield Violation(f"aliases[{index}]", "must not be empty; leave it out")
        yield from text_violations(f"aliases[{index}]", alias, limits.ID_BYTES)


def _metadata_violations(metadata: dict[str, str]) -> Iterator[Violation]:
    if len(metadata) > limits.METADATA_PAIRS:
        yield Violation("metadata", f"must be at most {limits.METADATA_PAIRS} pairs; found {len(metadata)}")
    size = sum(len(key.encode()) + len(value.encode()) for key, value in metadata.items())
    if size > limits.METADATA_BYTES:
        yield Violation("metadata", f"must be at most {limits.METADATA_BYTES} bytes in all; found {size}")
    for key, value in islice(metadata.items(), limits.METADATA_PAIRS):
        if not key:
            yield Violation("metadata", "must not have an empty key; name it or leave it out")
        if "\0" in key or "\0" in value:
            yield Violation("metadata", f"must not contain U+0000; found it at key {shown(key)}")


def text_violations(field: str, value: str, limit: int) -> Iterator[Violation]:
    """The rules for one text: its length in bytes of UTF-8, and no U+0000, which PostgreSQL cannot hold."""
    size = len(value) if value.isascii() else len(value.encode())
    if size > limit:
        yield Violation(field, f"must be at most {limit} bytes; found {size}")
    if "\0" in value:
        yield Violation(field, f"must not contain U+0000; found it in {shown(value)}")


def shown(value: str) -> str:
    """A value as an error shows it: quoted, and cut where it is long."""
    return repr(value if len(value) <= _SHOWN else value[:_SHOWN] + "…")
