"""Emailit's webhooks since February 2026 in msgstate's words."""

import json
from typing import Any

import pytest

from msgstate_server.domain.events import Event, EventType, Reason
from msgstate_server.webhooks.fitting import fit
from msgstate_server.webhooks.providers import PROVIDERS
from tests.webhooks.samples import NOW, emailit_v1, emailit_v2

TYPES = [
    ("email.accepted", EventType.ACCEPTED, Reason.UNSPECIFIED),
    ("email.scheduled", EventType.ACCEPTED, Reason.UNSPECIFIED),
    ("email.attempted", EventType.DEFERRED, Reason.UNSPECIFIED),
    ("email.delivered", EventType.DELIVERED, Reason.UNSPECIFIED),
    ("email.bounced", EventType.BOUNCED, Reason.UNSPECIFIED),
    ("email.failed", EventType.ERRORED, Reason.UNSPECIFIED),
    ("email.rejected", EventType.SUPPRESSED, Reason.UNSPECIFIED),
    ("email.suppressed", EventType.SUPPRESSED, Reason.SUPPRESSION_LIST),
    ("email.canceled", EventType.SUPPRESSED, Reason.CANCELED),
    ("email.held", EventType.SUPPRESSED, Reason.UNSPECIFIED),
    ("email.loaded", EventType.OPENED, Reason.UNSPECIFIED),
    ("email.clicked", EventType.CLICKED, Reason.UNSPECIFIED),
    ("email.complained", EventType.COMPLAINED, Reason.UNSPECIFIED),
    ("email.unsubscribed", EventType.UNSUBSCRIBED, Reason.UNSPECIFIED),
    ("email.resubscribed", EventType.OTHER, Reason.UNSPECIFIED),
    ("email.teleported", EventType.OTHER, Reason.UNSPECIFIED),
]
NOT_TRACKED = [
    "email.received",
    "domain.created",
    "audience.updated",
    "subscriber.resubscribed",
    "contact.deleted",
    "template.created",
    "suppression.created",
    "email_verification.updated",
    "email_verification_list.created",
    "campaign.sent",
]
LOADED_AT = "2026-02-11T22:14:33.481927+00:00"
LOADED_TIME = 1770848073481927


def read(*parts: Any) -> list[Event]:
    """The events of a body in which nothing is a problem or ignored."""
    reading = PROVIDERS["emailit"].read(json.dumps(parts).encode(), NOW)
    assert ([], 0) == (reading.problems, reading.ignored)
    return [event for _, event in reading.events]


def load(word: str, **fields: Any) -> dict[str, Any]:
    """A part about a load or a click, which names its email beside itself."""
    email = {"id": "em_1", "rcpt_to": "to@example.com", "mail_from": "from@example.com", "subject": "Hello"}
    report = {"id": "load_1", "object": "load", "email_id": "em_1", "email": email, "created_at": LOADED_AT, **fields}
    return {"event_id": "evt_1", "type": word, "data": {"object": report}, "object": report}


@pytest.mark.parametrize(("word", "event_type", "reason"), TYPES)
def test_every_word_has_its_type(word: str, event_type: EventType, reason: Reason) -> None:
    """Each word becomes one event of its type, with its reason and its own word; an unknown one becomes OTHER."""
    (event,) = read(emailit_v2(word))

    assert event.type is event_type
    assert event.attributes.reason is reason
    assert event.attributes.provider_type == word
    assert (event.provider, event.message_id, event.recipient) == ("emailit", "em_1", "to@example.com")
    assert event.attributes.event_id == "evt_1"


@pytest.mark.parametrize("word", NOT_TRACKED)
def test_received_mail_and_other_families_are_not_tracked(word: str) -> None:
    """What is not about a sent email is acknowledged and ignored, whatever its shape."""
    reading = PROVIDERS["emailit"].read(json.dumps([{"type": word, "data": 5}]).encode(), NOW)

    assert ([], [], 1) == reading


@pytest.mark.parametrize(
    ("word", "event_type"), [("email.loaded", EventType.OPENED), ("email.clicked", EventType.CLICKED)]
)
def test_a_load_is_about_the_email_it_names(word: str, event_type: EventType) -> None:
    """A load or a click gives its email's id and recipient, its own time, its client and its link."""
    link = {"id": "lnk_1", "url": "https://example.com/"}

    (event,) = read(load(word, link=link, ip_address="192.0.2.1", user_agent="Mozilla/5.0"))

    attributes = event.attributes
    assert event.type is event_type
    assert (event.message_id, event.recipient, event.occurred_time) == ("em_1", "to@example.com", LOADED_TIME)
    assert (attributes.url, attributes.user_agent) == ("https://example.com/", "Mozilla/5.0")
    assert attributes.ip_address == "192.0.2.1"
    assert attributes.metadata == {"from": "from@example.com", "subject": "Hello", "link.id": "lnk_1"}


def test_a_load_without_an_email_id_is_about_the_email_inside_it() -> None:
    """The id of the email inside a load stands in for `email_id`; the load's own id never does."""
    (event,) = read(load("email.loaded", email_id=None))

    assert event.message_id == "em_1"


def test_the_email_id_is_the_message_whatever_else_is_named() -> None:
    """An `email_id` wins over the email inside a load."""
    (event,) = read(load("email.loaded", email_id="em_2"))

    assert event.message_id == "em_2"


def test_an_attempt_adds_what_the_server_said() -> None:
    """An attempt's codes and response are kept, and the codes give the reason."""
    (event,) = read(
        emailit_v2("email.attempted", smtp_code="452", smtp_enhanced_code="4.2.2", smtp_response="452 Mailbox full")
    )

    attributes = event.attributes
    assert (attributes.smtp_code, attributes.enhanced_code) == (452, "4.2.2")
    assert attributes.detail == "452 Mailbox full"
    assert attributes.reason is Reason.MAILBOX_FULL


@pytest.mark.parametrize("drop", ["data", "object"])
def test_the_report_may_come_in_one_place_or_both(drop: str) -> None:
    """`object` at the top, under `data`, or in both places is one report."""
    part = emailit_v2("email.delivered")
    del part[drop]

    assert read(part) == read(emailit_v2("email.delivered"))


@pytest.mark.parametrize(
    ("word", "fields", "occurred_time"),
    [
        ("email.delivered", {"updated_at": LOADED_AT, "created_at": "2026-02-01T00:00:00Z"}, LOADED_TIME),
        ("email.delivered", {"created_at": LOADED_AT}, None),
        ("email.accepted", {"created_at": LOADED_AT}, LOADED_TIME),
        ("email.canceled", {"timestamp": LOADED_AT, "created_at": "2026-02-01T00:00:00Z"}, LOADED_TIME),
        ("email.unsubscribed", {"unsubscribed_at": LOADED_AT}, LOADED_TIME),
    ],
)
def test_the_time_is_the_events_own(word: str, fields: dict[str, Any], occurred_time: int | None) -> None:
    """When an email was made is not when something else happened to it."""
    (event,) = read(emailit_v2(word, **fields))

    assert event.occurred_time == occurred_time


def test_the_senders_own_metadata_is_kept() -> None:
    """Each pair of `meta` is kept under a name of its own, beside the other facts of the email."""
    (event,) = read(emailit_v2("email.accepted", meta={"order": 17, "note": None}, subject="Hello"))

    assert event.attributes.metadata == {"subject": "Hello", "meta.order": "17"}


@pytest.mark.parametrize("word", ["email.accepted", "email.scheduled", "email.canceled"])
def test_a_report_about_the_whole_email_is_about_every_recipient(word: str) -> None:
    """What is said of an email before it is tried holds for all that it is to."""
    events = read(emailit_v2(word, to=["a@example.com", "b@example.com"]))

    assert [event.recipient for event in events] == ["a@example.com", "b@example.com"]


def test_a_list_with_one_recipient_is_that_recipient() -> None:
    """A list of one address says the same as the address."""
    assert read(emailit_v2("email.delivered", to=["to@example.com"])) == read(emailit_v2("email.delivered"))


@pytest.mark.parametrize(
    ("part", "word"),
    [
        (emailit_v2("email.delivered", to=["a@example.com", "b@example.com"]), "2 recipients"),
        (emailit_v2("email.accepted", to=["a@example.com"] * 51), "at most 50"),
        (emailit_v2("email.delivered", to=[]), "object.to"),
        (emailit_v2("email.delivered", to=None), "object.to"),
        (emailit_v2("email.accepted", to=["a@example.com", ""]), "object.to"),
        (emailit_v2("email.delivered", id=None), "object.id"),
        (emailit_v2("email.delivered", object="letter"), "object.email_id"),
        (emailit_v2("email.delivered", email_id=[1]), "object.email_id"),
        ({"type": "email.delivered"}, "object"),
        ({"type": "email.loaded", "object": []}, "object"),
    ],
)
def test_a_part_that_is_not_understood_leaves_the_others_standing(part: Any, word: str) -> None:
    """A bad part is a problem with its pointer and a sentence; the part beside it counts."""
    body = json.dumps([part, emailit_v2("email.delivered")]).encode()

    reading = PROVIDERS["emailit"].read(body, NOW)

    assert [pointer for pointer, _ in reading.events] == ["/1"]
    (problem,) = reading.problems
    assert problem.pointer == "/0"
    assert word in problem.reason


def test_both_versions_may_come_in_one_body() -> None:
    """Each part is read in its own version."""
    events = read(emailit_v1("email.loaded"), emailit_v2("email.loaded"))

    assert [event.message_id for event in events] == ["<1@example.com>", "em_1"]


def test_the_senders_own_id_comes_back_in_its_metadata() -> None:
    """`meta.message_ref`, which the sender sets when sending, is the message ref of every event, also as a number."""
    for sent, ref in (("order-77", "order-77"), (77, "77"), (" <order-77>\n", "order-77"), ({}, ""), (None, "")):
        (event,) = read(emailit_v2("email.delivered", meta={"message_ref": sent}))
        assert fit(event).attributes.message_ref == ref
