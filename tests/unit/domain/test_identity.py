"""What makes two messages, two recipients or two events the same one."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from msgstate_server.domain.events import Event, EventAttributes, EventType, Reason
from msgstate_server.domain.identity import (
    alias_hash,
    event_key,
    message_hash,
    normalize_id,
    normalize_recipient,
    provider_time,
    recipient_hash,
)

NOW = 1_790_000_000_000_000
DAY = 86_400_000_000
YEAR_2000 = 946_684_800_000_000

WITH_ID = Event(
    "acme", "m-1", "a@example.com", EventType.SENT, None, NOW, EventAttributes(provider_type="sent", event_id="e-1")
)
FULL = EventAttributes(
    provider_type="click",
    reason=Reason.POLICY,
    detail="d",
    smtp_code=250,
    enhanced_code="2.0.0",
    url="u",
    user_agent="w",
    ip_address="::1",
    automated=True,
    aliases=["x"],
    metadata={"b": "2", "a": "1"},
)
WITHOUT_ID = Event("acme", "m-1", "a@example.com", EventType.CLICKED, 1, NOW, FULL)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("abc@host", "abc@host"),
        ("<abc@host>", "abc@host"),
        ("<<abc>>", "<abc>"),
        ("<abc", "<abc"),
        ("abc>", "abc>"),
        ("a<b>", "a<b>"),
        ("<>", ""),
        ("<", "<"),
        (">", ">"),
        ("", ""),
        ("Abc", "Abc"),
    ],
)
def test_normalize_id(value: str, expected: str) -> None:
    """One pair of enclosing angle brackets comes off an id; nothing else changes."""
    assert normalize_id(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a@example.com", "a@example.com"),
        ("Anna.B@Example.COM", "Anna.B@example.com"),
        ("debug@smtp", "debug@smtp"),
        ("[email protected]", "[email protected]"),
        ("NoAt", "NoAt"),
        (" \ta@example.com\r\n", "a@example.com"),
        ("Name <x@Y.Z>", "x@y.z"),
        ("<x@Y.Z>", "x@y.z"),
        ('"Doe, Jane" < x@Y.Z > ', "x@y.z"),
        ("Name <debug>", "debug"),
        ("a <<x@Y.Z>>", "a <<x@y.z>>"),
        ("a <b> <x@Y.Z>", "a <b> <x@y.z>"),
        ("a <b <x@Y.Z>", "a <b <x@y.z>"),
        ('"a > b" <x@Y.Z>', '"a > b" <x@y.z>'),
        ("Name <x@Y.Z", "Name <x@y.z"),
        ("x@Y.Z>", "x@y.z>"),
        (">x@Y.Z<", ">x@y.z<"),
        ("Name <x@Y.Z> (work)", "Name <x@y.z> (work)"),
        ('"odd@Local"@Example.COM', '"odd@Local"@example.com'),
        ("A@B@C.D", "A@B@c.d"),
        ("@Example.COM", "@example.com"),
        ("Anna@", "Anna@"),
        ("Jörg@BÜCHER.example", "Jörg@bücher.example"),
        ("a@Straße.example", "a@straße.example"),
        ("用户@例え.テスト", "用户@例え.テスト"),
        ("", ""),
        (" \n", ""),
        ("Name <>", ""),
        ("< >", ""),
    ],
)
def test_normalize_recipient(value: str, expected: str) -> None:
    """An address is trimmed, unwrapped where it is exactly `Name <x>`, and its domain lower-cased; the rest stays."""
    assert normalize_recipient(value) == expected


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.text(st.sampled_from(" <>@aBé.İΣ\t\0"), max_size=12))
def test_normalizing_a_recipient_again_changes_nothing(value: str) -> None:
    """What a status shows finds that status again."""
    once = normalize_recipient(value)
    assert normalize_recipient(once) == once


def test_hashes_are_stable() -> None:
    """The hashes in stored indexes stay what they are."""
    assert message_hash("m-1") == -3280072976497272011
    assert message_hash("é") == -3811523526868657873
    assert alias_hash("m-1") == -3280072976497272011
    assert recipient_hash("acme", "a@example.com") == 1796052427966795245


def test_recipient_hash_tells_provider_from_recipient() -> None:
    """The same letters cut elsewhere are another recipient."""
    assert recipient_hash("ac", "mea@example.com") != recipient_hash("acme", "a@example.com")


def test_event_keys_are_stable() -> None:
    """The keys in stored logs stay what they are: 128 bits in hex."""
    assert event_key(WITH_ID) == "7b7be40aa08557d99454c3b19f1fb47a"
    assert event_key(WITHOUT_ID) == "5a3902584e7e3e0f0579c901007264c5"


@pytest.mark.parametrize(
    "change",
    [
        {"event_id": "e-2"},
        {"provider_type": "Sent"},
        {"type": EventType.DELIVERED},
    ],
    ids=lambda change: next(iter(change)),
)
def test_key_with_an_id_tells(change: dict[str, Any]) -> None:
    """With an event id, the id, the provider's word and the type tell events apart."""
    assert event_key(_changed(WITH_ID, change)) != event_key(WITH_ID)


@pytest.mark.parametrize(
    "change",
    [
        {"received_time": NOW + 1},
        {"occurred_time": NOW},
        {"detail": "other words"},
        {"automated": True},
        {"metadata": {"attempt": "2"}},
        {"aliases": ["x"]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_key_with_an_id_ignores(change: dict[str, Any]) -> None:
    """With an event id, nothing else does."""
    assert event_key(_changed(WITH_ID, change)) == event_key(WITH_ID)


@pytest.mark.parametrize(
    "change",
    [
        {"provider": "other"},
        {"message_id": "m-2"},
        {"recipient": "b@example.com"},
        {"type": EventType.OPENED},
        {"occurred_time": 2},
        {"occurred_time": None},
        {"event_id": "e-1"},
        {"provider_type": "clicks"},
        {"reason": Reason.SPAM},
        {"detail": ""},
        {"smtp_code": 251},
        {"enhanced_code": "2.0.1"},
        {"url": "v"},
        {"user_agent": "x"},
        {"ip_address": "::2"},
        {"automated": False},
        {"aliases": ["y"]},
        {"metadata": {"a": "1"}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_key_without_an_id_tells(change: dict[str, Any]) -> None:
    """Without an event id, every field tells events apart."""
    assert event_key(_changed(WITHOUT_ID, change)) != event_key(WITHOUT_ID)


@pytest.mark.parametrize("change", [{"received_time": NOW + 1}, {"metadata": {"a": "1", "b": "2"}}])
def test_key_without_an_id_ignores(change: dict[str, Any]) -> None:
    """The receipt time and the order of the metadata do not."""
    assert event_key(_changed(WITHOUT_ID, change)) == event_key(WITHOUT_ID)


@pytest.mark.parametrize(
    ("occurred", "plausible"),
    [
        (None, False),
        (-1, False),
        (YEAR_2000 - 1, False),
        (YEAR_2000, True),
        (NOW, True),
        (NOW + DAY, True),
        (NOW + DAY + 1, False),
    ],
)
def test_provider_time_is_believed_within_bounds(occurred: int | None, plausible: bool) -> None:
    """A provider's time counts from the year 2000 to a day ahead of the receipt."""
    assert provider_time(replace(WITH_ID, occurred_time=occurred)) == (occurred if plausible else None)


def _changed(event: Event, change: dict[str, Any]) -> Event:
    own = {name: value for name, value in change.items() if name in Event.__struct_fields__}
    attributes = {name: value for name, value in change.items() if name not in own}
    return replace(event, **own, attributes=replace(event.attributes, **attributes))
