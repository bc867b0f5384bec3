"""Every limit at its edge and one beyond; a violation names the field, the rule and what was found."""

from typing import Any

import pytest
from msgspec.structs import replace

from msgstate_server.domain.events import Event, EventAttributes, EventType
from msgstate_server.domain.validation import Violation, shown, violations

NOW = 1_790_000_000_000_000
EVENT = Event("acme", "m-1", "a@example.com", EventType.SENT, NOW, NOW, EventAttributes())

TEXT_LIMITS = {
    "message_id": 998,
    "recipient": 998,
    "provider_type": 256,
    "event_id": 998,
    "detail": 2_048,
    "enhanced_code": 16,
    "url": 2_048,
    "user_agent": 1_024,
    "ip_address": 64,
}


def broken(**fields: Any) -> list[Violation]:
    """The violations of a good event with these fields changed."""
    own = {name: value for name, value in fields.items() if name in Event.__struct_fields__}
    attributes = {name: value for name, value in fields.items() if name not in own}
    return violations(replace(EVENT, **own, attributes=replace(EVENT.attributes, **attributes)))


def test_plain_event_breaks_no_rule() -> None:
    """An event with no more than it needs is taken."""
    assert violations(EVENT) == []


@pytest.mark.parametrize(("field", "limit"), TEXT_LIMITS.items(), ids=list(TEXT_LIMITS))
def test_text_limits_count_bytes(field: str, limit: int) -> None:
    """A text may be as long as its limit in bytes of UTF-8, not one more."""
    for character in "xé😀":
        size = len(character.encode())
        fitting = limit // size
        assert broken(**{field: character * fitting}) == []
        assert broken(**{field: character * (fitting + 1)}) == [
            Violation(field, f"must be at most {limit} bytes; found {size * (fitting + 1)}")
        ]


@pytest.mark.parametrize("field", TEXT_LIMITS)
def test_nul_is_refused_in_every_text(field: str) -> None:
    """U+0000, which PostgreSQL cannot hold, is refused wherever it stands."""
    assert broken(**{field: "a\0b"}) == [Violation(field, "must not contain U+0000; found it in 'a\\x00b'")]


@pytest.mark.parametrize("field", ["message_id", "recipient"])
def test_empty_identity_is_refused(field: str) -> None:
    """An event that names no message or no recipient is refused, never guessed at."""
    assert broken(**{field: ""}) == [
        Violation(field, "must not be empty; name the message and the recipient that the event is about")
    ]


@pytest.mark.parametrize("provider", ["a", "x" * 64, "mail_gun-2", "0", "-"])
def test_good_provider(provider: str) -> None:
    """A provider's name is 1 to 64 of a-z, 0-9, '_' and '-'."""
    assert broken(provider=provider) == []


@pytest.mark.parametrize("provider", ["", "x" * 65, "Acme", "a b", "a.b", "é", "acme\n", "a\0"])
def test_bad_provider(provider: str) -> None:
    """Any other name is refused and shown, cut where it is long."""
    found = shown(provider)
    assert broken(provider=provider) == [
        Violation("provider", f"must be 1 to 64 of a-z, 0-9, '_' and '-'; found {found}")
    ]


def test_unspecified_type_is_refused() -> None:
    """An event without a type is refused, with the way out."""
    assert broken(type=EventType.UNSPECIFIED) == [
        Violation("type", "must be set; use EVENT_TYPE_OTHER for a kind that has no type of its own")
    ]


@pytest.mark.parametrize(("code", "good"), [(0, True), (550, True), (999, True), (1000, False), (-1, False)])
def test_smtp_code(code: int, good: bool) -> None:
    """An SMTP code is 0 to 999."""
    expected = [] if good else [Violation("smtp_code", f"must be 0 to 999; found {code}")]
    assert broken(smtp_code=code) == expected


def test_alias_limits() -> None:
    """At most 16 aliases, each neither empty nor over 998 bytes nor with U+0000, and each named by its index."""
    assert broken(aliases=["a"] * 16) == []
    assert broken(aliases=["a"] * 17) == [Violation("aliases", "must be at most 16; found 17")]
    assert broken(aliases=["a" * 998]) == []
    assert broken(aliases=["a", "é" * 500]) == [Violation("aliases[1]", "must be at most 998 bytes; found 1000")]
    assert broken(aliases=["", "a"]) == [Violation("aliases[0]", "must not be empty; leave it out")]
    assert broken(aliases=["\0"]) == [Violation("aliases[0]", "must not contain U+0000; found it in '\\x00'")]


def test_metadata_limits() -> None:
    """At most 32 pairs and 4,096 bytes of keys and values together, with no empty key; an empty value is fine."""
    assert broken(metadata={str(number): "" for number in range(32)}) == []
    assert broken(metadata={str(number): "" for number in range(33)}) == [
        Violation("metadata", "must be at most 32 pairs; found 33")
    ]
    assert broken(metadata={"ab": "é" * 2_047}) == []
    assert broken(metadata={"abc": "é" * 2_047}) == [
        Violation("metadata", "must be at most 4096 bytes in all; found 4097")
    ]
    assert broken(metadata={"": "a"}) == [Violation("metadata", "must not have an empty key; name it or leave it out")]


@pytest.mark.parametrize(("key", "value"), [("a\0", "b"), ("a", "b\0")])
def test_nul_is_refused_in_metadata(key: str, value: str) -> None:
    """U+0000 is refused in keys and values, and the key is named."""
    assert broken(metadata={key: value}) == [Violation("metadata", f"must not contain U+0000; found it at key {key!r}")]


def test_every_violation_is_told() -> None:
    """An event that breaks several rules is told all of them at once, in the order of its fields."""
    found = broken(provider="", message_id="", recipient="", smtp_code=-1, aliases=[""], metadata={"": ""})
    fields = [violation.field for violation in found]
    assert fields == ["provider", "message_id", "recipient", "smtp_code", "aliases[0]", "metadata"]


def test_found_values_are_cut() -> None:
    """A long value is shown by its first 60 characters."""
    assert shown("x" * 60) == repr("x" * 60)
    assert shown("x" * 61) == repr("x" * 60 + "…")
