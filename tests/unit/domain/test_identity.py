"""What makes two messages, two recipients or two events the same one."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from msgstate_server.domain.events import Event, EventAttributes, EventType, Reason
from msgstate_server.domain.identity import (
    canonicalize,
    event_key,
    normalize_id,
    normalize_recipient,
    provider_time,
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
        ("<<abc>>", "abc"),
        (" <abc@host>\r\n", "abc@host"),
        ("\tabc ", "abc"),
        ("< <abc > >", "abc"),
        ("a b", "a b"),
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
    """White space and enclosing pairs of angle brackets come off an id; nothing else changes."""
    assert normalize_id(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a@example.com", "a@example.com"),
        ("Anna.B@Example.COM", "anna.b@example.com"),
        ("debug@smtp", "debug@smtp"),
        ("[email protected]", "[email protected]"),
        ("NoAt", "noat"),
        (" \ta@example.com\r\n", "a@example.com"),
        ("Name <x@Y.Z>", "x@y.z"),
        ("<x@Y.Z>", "x@y.z"),
        ('"Doe, Jane" < x@Y.Z > ', "x@y.z"),
        ("Name <debug>", "debug"),
        ("a <<x@Y.Z>>", "x@y.z"),
        ("a <b> <x@Y.Z>", "a <b> <x@y.z>"),
        ("a <b <x@Y.Z>", "a <b <x@y.z>"),
        ('"a > b" <x@Y.Z>', '"a > b" <x@y.z>'),
        ("Name <x@Y.Z", "name <x@y.z"),
        ("x@Y.Z>", "x@y.z>"),
        (">x@Y.Z<", ">x@y.z<"),
        ("Name <x@Y.Z> (work)", "name <x@y.z> (work)"),
        ('"odd@Local"@Example.COM', '"odd@local"@example.com'),
        ("A@B@C.D", "a@b@c.d"),
        ("@Example.COM", "@example.com"),
        ("Anna@", "anna@"),
        ("Jörg@BÜCHER.example", "jörg@xn--bcher-kva.example"),
        ("a@Straße.example", "a@xn--strae-oqa.example"),
        ("Straße@example.com", "strasse@example.com"),
        ("jürgen@münchen.de", "jürgen@xn--mnchen-3ya.de"),
        ("ju\u0308rgen@mu\u0308nchen.de", "jürgen@xn--mnchen-3ya.de"),
        ("jürgen@xn--mnchen-3ya.de", "jürgen@xn--mnchen-3ya.de"),
        ("a@XN--MNCHEN-3YA.de", "a@xn--mnchen-3ya.de"),
        ("a@not_IDNA-Ü.example", "a@not_idna-ü.example"),
        ("a@münchen。de", "a@xn--mnchen-3ya.de"),
        ("+1 (555) 010-0000", "+15550100000"),
        ("+15550100000", "+15550100000"),
        (" <+1.555.010.0000> ", "+15550100000"),
        ("+1-555@sms.Example", "+1-555@sms.example"),
        ("15550100000", "15550100000"),
        ("+ ()", "+ ()"),
        ("用户@例え.テスト", "用户@xn--r8jz45g.xn--zckzah"),
        ("", ""),
        (" \n", ""),
        ("Name <>", ""),
        ("< >", ""),
    ],
)
def test_normalize_recipient(value: str, expected: str) -> None:
    """Every spelling of an address or phone number has one canonical form."""
    assert normalize_recipient(value) == expected


@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    st.text(st.sampled_from(" <>@+(1aBé.İΣßǅ\u0345\u0308\u0338\u00ad\u212aﬀ。\t\0"), max_size=12) | st.text(max_size=20)
)
def test_normalizing_a_recipient_again_changes_nothing(value: str) -> None:
    """What a status shows finds that status again."""
    once = normalize_recipient(value)
    assert normalize_recipient(once) == once


def _canonical(message_id: str, recipient: str) -> Event:
    event = Event("acme", message_id, recipient, EventType.SENT, None, NOW, EventAttributes())
    canonicalize(event)
    return event


def test_an_event_keeps_its_recipient_as_reported() -> None:
    """The ids of an event become canonical; the recipient stands beside that as the provider wrote it."""
    event = _canonical(" <m-1> ", "Ada <Ada.Lovelace@Example.com>")
    assert (event.message_id, event.recipient) == ("m-1", "ada.lovelace@example.com")
    assert event.attributes.reported_recipient == "Ada <Ada.Lovelace@Example.com>"
    assert event.attributes.reported_message_id == " <m-1> "
    assert _canonical("<<m-1>>", "a@b").attributes.reported_message_id == "<m-1>"


def test_ids_that_are_canonical_already_are_kept_once() -> None:
    """An event whose ids are canonical, but for one pair of brackets, carries no second form of them."""
    assert _canonical("<m-1>", "ada@example.com").attributes == EventAttributes()


def test_canonicalizing_again_keeps_what_was_reported() -> None:
    """An event that passes through twice, as a webhook's does, keeps the first form."""
    event = _canonical(" <m-1> ", "Ada@Example.com")
    before = replace(event, attributes=replace(event.attributes))
    canonicalize(event)
    assert event == before


def test_a_long_display_name_is_not_kept() -> None:
    """A display name that is too long, or has U+0000, does not refuse an address that is fine."""
    for name in ("A" * 5_000, "A\0"):
        assert _canonical("m-1", f"{name} <Ada@X.Y>").attributes.reported_recipient == "Ada@x.y"


@pytest.mark.parametrize(("message_id", "recipient"), [("m-1", "Ada@example.com"), ("<m-1 ", "ada@Example.com ")])
def test_canonical_ids_leave_event_keys_as_they_were(message_id: str, recipient: str) -> None:
    """A key is made of the ids in their first form, so that keys in stored logs and tokens stay good."""
    event = _canonical(message_id, recipient)
    first = Event("acme", message_id, recipient.strip().replace("E", "e"), EventType.SENT, None, NOW, EventAttributes())
    assert event_key(event) == event_key(first)


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
