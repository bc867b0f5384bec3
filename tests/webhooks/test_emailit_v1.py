"""Emailit's first webhooks in msgstate's words."""

import json
from typing import Any

import pytest

from msgstate_server.domain.events import Event, EventType, Reason
from msgstate_server.domain.identity import event_key
from msgstate_server.webhooks.providers import PROVIDERS
from tests.webhooks.samples import NOW, clicked, emailit_v1, seed

TYPES = [
    ("email.delivery.sent", EventType.DELIVERED, Reason.UNSPECIFIED),
    ("email.delivery.hardfail", EventType.BOUNCED, Reason.UNSPECIFIED),
    ("email.delivery.softfail", EventType.DEFERRED, Reason.UNSPECIFIED),
    ("email.delivery.bounce", EventType.BOUNCED, Reason.UNSPECIFIED),
    ("email.delivery.error", EventType.DEFERRED, Reason.PROVIDER_ERROR),
    ("email.delivery.held", EventType.HELD, Reason.UNSPECIFIED),
    ("email.delivery.delayed", EventType.DEFERRED, Reason.RATE_LIMIT),
    ("email.loaded", EventType.OPENED, Reason.UNSPECIFIED),
    ("email.link.clicked", EventType.CLICKED, Reason.UNSPECIFIED),
    ("email.delivery.teleported", EventType.OTHER, Reason.UNSPECIFIED),
    ("email.framed", EventType.OTHER, Reason.UNSPECIFIED),
]


def read(body: object) -> list[Event]:
    """The events of a body in which nothing is a problem or ignored."""
    reading = PROVIDERS["emailit"].read(body if isinstance(body, bytes) else json.dumps(body).encode(), NOW)
    assert ([], 0) == (reading.problems, reading.ignored)
    return [event for _, event in reading.events]


@pytest.mark.parametrize(("word", "event_type", "reason"), TYPES)
def test_every_word_has_its_type(word: str, event_type: EventType, reason: Reason) -> None:
    """Each word becomes one event of its type, with its reason and its own word; an unknown one becomes OTHER."""
    (event,) = read(emailit_v1(word))

    assert event.type is event_type
    assert event.attributes.reason is reason
    assert event.attributes.provider_type == word


def test_every_word_of_the_document_is_in_the_table() -> None:
    """No word of Emailit's document is left out of this table."""
    lines = seed("emailit-event-types.txt").decode().splitlines()
    documented = {lines[index + 1].strip() for index, line in enumerate(lines) if line == "  • Name"}

    assert len(documented) == 9
    assert documented <= {word for word, _, _ in TYPES}


def test_the_three_samples_are_three_events() -> None:
    """The samples share an event id, message and recipient, and still count as three."""
    events = [*read(seed("emailit-delivery.json")), *read(seed("emailit-loaded.json")), *read(clicked())]

    assert len({event.attributes.event_id for event in events}) == 1
    assert len({(event.message_id, event.recipient) for event in events}) == 1
    assert len({event_key(event) for event in events}) == 3
    assert [event.type for event in events] == [EventType.DELIVERED, EventType.OPENED, EventType.CLICKED]


def test_the_delivery_sample_is_read_in_full() -> None:
    """Every field of the delivery sample that is kept is where the documentation says it is."""
    (event,) = read(seed("emailit-delivery.json"))

    assert event.provider == "emailit"
    assert (event.message_id, event.recipient) == ("<[email\xa0protected]>", "[email\xa0protected]")
    assert event.occurred_time == 1727431826041502
    assert event.attributes.event_id == "1234567890"
    assert event.attributes.detail == "..."
    assert event.attributes.aliases == ["3131351548", "a654h0s56dh4a06"]
    assert event.attributes.metadata == {
        "from": "[email\xa0protected]",
        "subject": "Welcome to Emailit",
        "spam_status": "0",
        "email.timestamp": "1727431822.8817",
        "sent_with_ssl": "true",
        "time": "0.56",
    }


def test_the_click_sample_is_read_in_full() -> None:
    """The link, the client and the place of a click are kept."""
    (event,) = read(clicked())

    attributes = event.attributes
    assert (attributes.url, attributes.user_agent, attributes.ip_address) == ("https://emailit.dev", "...", "127.0.0.1")
    assert {"country": "...", "city": "...", "link.id": "1234567890"}.items() <= attributes.metadata.items()


def test_the_click_sample_as_documented_is_a_problem() -> None:
    """The document's click sample has a comma too many and is not JSON: it is kept whole."""
    reading = PROVIDERS["emailit"].read(seed("emailit-clicked.json"), NOW)

    assert ([], 0) == (reading.events, reading.ignored)
    (problem,) = reading.problems
    assert problem.pointer == ""
    assert "not JSON" in problem.reason


def test_the_body_may_be_an_array() -> None:
    """Parts of an array are told apart by their pointers."""
    body = json.dumps([emailit_v1("email.loaded"), emailit_v1("email.link.clicked")]).encode()

    reading = PROVIDERS["emailit"].read(body, NOW)

    assert [pointer for pointer, _ in reading.events] == ["/0", "/1"]


@pytest.mark.parametrize("event_id", ["17", 17])
@pytest.mark.parametrize("number", [3131351548, "3131351548"])
@pytest.mark.parametrize("timestamp", [1727431826.041502, "1727431826.041502"])
@pytest.mark.parametrize("time", [0.56, "0.56"])
def test_numbers_may_be_strings_and_the_reverse(event_id: Any, number: Any, timestamp: Any, time: Any) -> None:
    """A number and the string of it are read alike, to the microsecond."""
    part = emailit_v1("email.delivery.sent", {"id": number, "timestamp": timestamp}, timestamp=timestamp, time=time)

    (event,) = read(part | {"event_id": event_id})

    assert event.occurred_time == 1727431826041502
    assert event.attributes.event_id == "17"
    assert event.attributes.aliases[0] == "3131351548"
    assert event.attributes.metadata["time"] == "0.56"
    assert event.attributes.metadata["email.timestamp"] == "1727431826.041502"


@pytest.mark.parametrize(
    ("sent_with_ssl", "kept"), [(True, "true"), (False, "false"), ("1", "1"), (1, "1"), (0, "0"), (None, None)]
)
def test_sent_with_ssl_may_be_anything(sent_with_ssl: Any, kept: str | None) -> None:
    """A boolean, string, number or null is kept as text, null not at all."""
    (event,) = read(emailit_v1("email.delivery.sent", sent_with_ssl=sent_with_ssl))

    assert event.attributes.metadata.get("sent_with_ssl") == kept


@pytest.mark.parametrize(
    "details", ["Recipient is on the Suppression List", "suppressed after a bounce", "held: SUPPRESSED"]
)
def test_mail_held_for_the_suppression_list_is_suppressed(details: str) -> None:
    """Held mail whose details name the suppression list will not be sent."""
    (event,) = read(emailit_v1("email.delivery.held", details=details))

    assert event.type is EventType.SUPPRESSED
    assert event.attributes.reason is Reason.SUPPRESSION_LIST


@pytest.mark.parametrize(
    ("details", "code", "enhanced", "reason"),
    [
        ("550 5.1.1 No such user", 550, "5.1.1", Reason.INVALID_ADDRESS),
        ("550-5.1.10 Null MX", 550, "5.1.10", Reason.INVALID_ADDRESS),
        ("552 5.2.2 Mailbox full", 552, "5.2.2", Reason.MAILBOX_FULL),
        ("554 5.7.26 Unauthenticated", 554, "5.7.26", Reason.POLICY),
        ("451 4.4.7 Expired", 451, "4.4.7", Reason.TIMED_OUT),
        ("550 no such user", 550, "", Reason.UNSPECIFIED),
        ("550", 550, "", Reason.UNSPECIFIED),
        ("5500 messages", 0, "", Reason.UNSPECIFIED),
        ("Error 550 5.1.1", 0, "", Reason.UNSPECIFIED),
        ("", 0, "", Reason.UNSPECIFIED),
    ],
)
def test_codes_are_read_from_the_start_of_the_details(details: str, code: int, enhanced: str, reason: Reason) -> None:
    """A reply that the details start with gives its codes, and a reason where it stands for one."""
    (event,) = read(emailit_v1("email.delivery.hardfail", details=details))

    assert (event.attributes.smtp_code, event.attributes.enhanced_code) == (code, enhanced)
    assert event.attributes.reason is reason
    assert event.attributes.detail == details


@pytest.mark.parametrize(
    ("word", "details", "reason"),
    [
        ("email.delivery.error", "451 4.7.1 Try again", Reason.PROVIDER_ERROR),
        ("email.delivery.sent", "250 2.7.0 Accepted", Reason.UNSPECIFIED),
    ],
)
def test_a_code_only_explains_a_failure_without_a_reason(word: str, details: str, reason: Reason) -> None:
    """A reason that the word tells stands, and what is no failure has none."""
    (event,) = read(emailit_v1(word, details=details))

    assert event.attributes.reason is reason


@pytest.mark.parametrize("word", [word for word, _, _ in TYPES])
def test_incoming_mail_is_not_tracked(word: str) -> None:
    """Reports about mail that came in are acknowledged and ignored, even without ids."""
    part = emailit_v1(word, {"type": "incoming", "message_id": None})

    reading = PROVIDERS["emailit"].read(json.dumps(part).encode(), NOW)

    assert ([], [], 1) == reading


@pytest.mark.parametrize(
    ("part", "word"),
    [
        (emailit_v1("email.delivery.sent", {"message_id": None}), "object.email.message_id"),
        (emailit_v1("email.delivery.sent", {"message_id": ["1"]}), "object.email.message_id"),
        (emailit_v1("email.delivery.sent", {"to": ""}), "object.email.to"),
        (emailit_v1("email.delivery.sent", {"to": {"address": "a@b"}}), "object.email.to"),
        (emailit_v1("email.delivery.sent", {"id": [1]}), "object.email.id"),
        (emailit_v1("email.delivery.sent") | {"event_id": False}, "event_id"),
        (emailit_v1("email.delivery.sent") | {"object": None}, "object"),
        (
            {"type": "email.delivery.sent", "object": {"email": "a@b"}},
            "`object.email` must be an object; found a string",
        ),
        ({"type": None}, "type"),
        ({"type": "ping"}, "type"),
        ({}, "type"),
        (5, "object"),
    ],
)
def test_a_part_that_is_not_understood_leaves_the_others_standing(part: Any, word: str) -> None:
    """A bad part is a problem with its pointer and a sentence; the part beside it counts."""
    body = json.dumps([emailit_v1("email.loaded"), part]).encode()

    reading = PROVIDERS["emailit"].read(body, NOW)

    assert [pointer for pointer, _ in reading.events] == ["/0"]
    (problem,) = reading.problems
    assert problem.pointer == "/1"
    assert word in problem.reason


def test_an_empty_array_says_nothing() -> None:
    """No parts are no problem."""
    assert read([]) == []
