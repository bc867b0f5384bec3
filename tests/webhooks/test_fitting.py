"""What a webhook's event is made of where it does not fit the limits."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msgstate_server.domain import limits
from msgstate_server.domain.events import Event, EventAttributes, EventType
from msgstate_server.domain.validation import violations
from msgstate_server.webhooks.fitting import CUT, REPLACED, fit
from tests.webhooks.samples import NOW

TEXTS = [
    ("provider_type", limits.PROVIDER_TYPE_BYTES),
    ("detail", limits.DETAIL_BYTES),
    ("enhanced_code", limits.ENHANCED_CODE_BYTES),
    ("url", limits.URL_BYTES),
    ("user_agent", limits.USER_AGENT_BYTES),
    ("ip_address", limits.IP_ADDRESS_BYTES),
]
IDS = ["message_id", "recipient", "event_id"]


def event(message_id: str = "1", recipient: str = "a@example.com", **attributes: object) -> Event:
    """An event of the provider `emailit` with these attributes."""
    made = msgspec.convert(attributes, EventAttributes)
    return Event("emailit", message_id, recipient, EventType.OPENED, None, NOW, made)


def test_an_event_within_the_limits_stays_as_it_is() -> None:
    """What fits is neither changed nor marked."""
    fitting = event(detail="250 ok", aliases=["7"], metadata={"subject": "Hello", "empty": ""})

    assert fit(fitting) == fitting


def test_ids_and_recipient_are_normalized() -> None:
    """Brackets come off ids and aliases, and the recipient is written as it is compared."""
    fitted = fit(
        event("<1@Example.com>", " Me <Me@EXAMPLE.com> ", aliases=["<7>", "7", "", "<>", "1@Example.com", "8"])
    )

    assert (fitted.message_id, fitted.recipient) == ("1@Example.com", "me@example.com")
    assert fitted.attributes.aliases == ["7", "8"]
    assert fitted.attributes.metadata == {}


@pytest.mark.parametrize(("field", "limit"), TEXTS)
def test_a_long_text_is_cut_and_marked(field: str, limit: int) -> None:
    """A text is cut to whole characters within its limit, and the mark names it."""
    longest = fit(event(**{field: "x" * limit}))
    cut = fit(event(**{field: "é" * limit}))

    assert getattr(longest.attributes, field) == "x" * limit
    assert longest.attributes.metadata == {}
    assert getattr(cut.attributes, field) == "é" * (limit // 2)
    assert cut.attributes.metadata == {CUT: field}


@pytest.mark.parametrize(("field", "limit"), TEXTS)
def test_a_null_character_is_replaced_and_marked(field: str, limit: int) -> None:
    """U+0000 becomes U+FFFD, and the mark names the text it was in, beside that of the cut."""
    fitted = fit(event(**{field: "\0" * limit}))

    assert set(getattr(fitted.attributes, field)) == {"\ufffd"}
    assert fitted.attributes.metadata == {CUT: field, REPLACED: field}


@pytest.mark.parametrize("field", IDS)
@pytest.mark.parametrize("value", ["x" * 999, "a\0b", "é" * 500])
def test_an_id_or_recipient_is_never_changed(field: str, value: str) -> None:
    """What is too long, or holds U+0000, stays and breaks a rule."""
    (violation,) = violations(fit(event(**{field: value})))

    assert violation.field == field


@pytest.mark.parametrize("alias", ["x" * 999, "a\0b"])
def test_an_alias_is_never_changed(alias: str) -> None:
    """An alias is an id too: it is not cut, and breaks a rule."""
    (violation,) = violations(fit(event(aliases=[alias])))

    assert violation.field == "aliases[0]"


def test_aliases_beyond_the_limit_are_left_out_and_marked() -> None:
    """The first aliases stay, as many as are allowed."""
    fitted = fit(event(aliases=[str(number) for number in range(100, 117)]))

    assert fitted.attributes.aliases == [str(number) for number in range(100, 116)]
    assert fitted.attributes.metadata == {CUT: "aliases"}


def test_aliases_beside_long_texts_leave_the_event_within_its_limit() -> None:
    """Aliases have the room that the other texts leave of the whole event."""
    texts = {field: "x" * limit for field, limit in TEXTS}

    fitted = fit(event(aliases=[str(number) * 499 for number in range(10, 26)], **texts))

    assert fitted.attributes.aliases == [str(number) * 499 for number in range(10, 19)]
    assert fitted.attributes.metadata == {CUT: "aliases"}


def test_metadata_beyond_the_limit_is_cut_and_marked() -> None:
    """The first pairs stay, the last of them cut, and the account and the mark still fit."""
    metadata = {str(number): "é" * 500 for number in range(10)}

    fitted = fit(event(metadata=metadata), "a" * 64)

    kept = fitted.attributes.metadata
    assert [kept["0"], kept["1"], kept["2"]] == ["é" * 500] * 3
    assert 0 < len(kept["3"]) < 500
    assert "4" not in kept
    assert (kept["account"], kept[CUT]) == ("a" * 64, "metadata")
    assert violations(fitted) == []


def test_metadata_pairs_beyond_the_limit_are_left_out_and_marked() -> None:
    """There is always a place left for the marks and the account."""
    fitted = fit(event(metadata={str(number): "\0" for number in range(40)}), "main")

    assert len(fitted.attributes.metadata) == limits.METADATA_PAIRS
    assert {"account": "main", CUT: "metadata", REPLACED: "metadata"}.items() <= fitted.attributes.metadata.items()


long_texts = st.integers(0, 5_000).flatmap(lambda size: st.sampled_from(["x", "é", "\0", "😀"]).map(lambda c: c * size))
ids = st.text(max_size=5) | st.sampled_from(["x" * 998, "é" * 499, "<" + "x" * 996 + ">"])


@settings(derandomize=True, deadline=None)
@given(
    st.builds(
        event,
        ids,
        ids,
        event_id=ids,
        aliases=st.lists(ids | st.integers(10, 99).map(lambda n: str(n) * 490), max_size=30),
        metadata=st.dictionaries(long_texts, long_texts, max_size=40),
        **{field: long_texts for field, _ in TEXTS},
    ),
    st.sampled_from(["", "a" * 64]),
)
def test_a_fitted_event_is_within_every_limit(unfitted: Event, account: str) -> None:
    """Only an id or a recipient can break a rule once an event is fitted, and its whole is within its limit."""
    fitted = fit(unfitted, account)

    assert {violation.field.partition("[")[0] for violation in violations(fitted)} <= {*IDS, "aliases"}
    attributes = fitted.attributes
    texts = [fitted.provider, fitted.message_id, fitted.recipient, attributes.event_id, *attributes.aliases]
    texts += [getattr(attributes, field) for field, _ in TEXTS]
    texts += [text for pair in attributes.metadata.items() for text in pair]
    assert sum(len(text.encode()) for text in texts) <= limits.EVENT_BYTES
