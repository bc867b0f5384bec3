"""CloudMailin's status events in msgstate's words."""

import json
from typing import Any

import pytest

from msgstate_server.domain.events import Event, EventType, Reason
from msgstate_server.domain.identity import event_key
from msgstate_server.webhooks.providers import PROVIDERS
from tests.webhooks.provider_samples import ProviderSamples
from tests.webhooks.samples import MICROSECONDS, NOW, cloudmailin, cloudmailin_event, seed

SAMPLES = ProviderSamples(
    delivery=cloudmailin("delivery"),
    parts=[
        cloudmailin_event("open"),
        cloudmailin_event(
            "bounce", original_message_id="1", timestamp=1, details={"code": 550, "reason": "", "url": ""}
        ),
    ],
    body=lambda parts: json.dumps({"events": parts}).encode(),
)
KINDS = [
    ("registration", EventType.ACCEPTED, Reason.UNSPECIFIED),
    ("dispatch", EventType.SENT, Reason.UNSPECIFIED),
    ("rate_limit", EventType.DEFERRED, Reason.RATE_LIMIT),
    ("delivery", EventType.DELIVERED, Reason.UNSPECIFIED),
    ("bounce", EventType.BOUNCED, Reason.UNSPECIFIED),
    ("soft_bounce", EventType.DEFERRED, Reason.UNSPECIFIED),
    ("dispatch_soft_bounce", EventType.DEFERRED, Reason.UNSPECIFIED),
    ("error", EventType.ERRORED, Reason.PROVIDER_ERROR),
    ("retries_exhausted", EventType.EXPIRED, Reason.UNSPECIFIED),
    ("open", EventType.OPENED, Reason.UNSPECIFIED),
    ("read", EventType.READ, Reason.UNSPECIFIED),
    ("click", EventType.CLICKED, Reason.UNSPECIFIED),
    ("auto_reply", EventType.AUTO_REPLIED, Reason.UNSPECIFIED),
    ("bounce_reply", EventType.REPLIED, Reason.UNSPECIFIED),
    ("suppressed", EventType.SUPPRESSED, Reason.UNSPECIFIED),
    ("rate_limited", EventType.DEFERRED, Reason.RATE_LIMIT),
    ("dispatch_bounce", EventType.BOUNCED, Reason.UNSPECIFIED),
    ("complaint", EventType.COMPLAINED, Reason.UNSPECIFIED),
    ("blocked", EventType.SUPPRESSED, Reason.SUPPRESSION_LIST),
    ("spamd", EventType.SUPPRESSED, Reason.SPAM),
    ("process", EventType.ACCEPTED, Reason.UNSPECIFIED),
    ("teleported", EventType.OTHER, Reason.UNSPECIFIED),
]


def read(body: bytes) -> list[Event]:
    """The events of a body in which nothing is a problem or ignored."""
    reading = PROVIDERS["cloudmailin"].read(body, NOW)
    assert ([], 0) == (reading.problems, reading.ignored)
    return [event for _, event in reading.events]


def test_the_documented_sample_is_an_accepted_event() -> None:
    """The document's sample says that CloudMailin took the message."""
    (event,) = read(seed("cloudmailin-registration.json"))

    assert event.type is EventType.ACCEPTED
    assert event.provider == "cloudmailin"
    assert event.message_id == "b47c8008-84af-47aa-b39a-b0a3f358a0ee"
    assert event.recipient == "debug@smtp"
    assert (event.occurred_time, event.received_time) == (None, NOW)


@pytest.mark.parametrize(("kind", "event_type", "reason"), KINDS)
def test_every_kind_has_its_type(kind: str, event_type: EventType, reason: Reason) -> None:
    """Each kind becomes one event of its type, with its reason and its own word; an unknown one becomes OTHER."""
    (event,) = read(cloudmailin(kind))

    assert event.type is event_type
    assert event.attributes.reason is reason
    assert event.attributes.provider_type == kind


def test_every_kind_of_the_document_is_in_the_table() -> None:
    """No kind of CloudMailin's document is left out of this table."""
    rows = seed("cloudmailin-status-events.txt").decode().split("|---|---|\n")[1].split("\n{")[0].splitlines()
    documented = {row.split("|")[1].strip() for row in rows}

    assert len(documented) == 15
    assert documented <= {kind for kind, _, _ in KINDS}


def test_one_body_holds_several_events() -> None:
    """Events of one body are told apart by their pointers, in order."""
    body = json.loads(cloudmailin("delivery"))
    body["events"] += json.loads(cloudmailin("open", recipient="other@example.com"))["events"]

    reading = PROVIDERS["cloudmailin"].read(json.dumps(body).encode(), NOW)

    assert [(pointer, event.recipient, event.type) for pointer, event in reading.events] == [
        ("/events/0", "debug@smtp", EventType.DELIVERED),
        ("/events/1", "other@example.com", EventType.OPENED),
    ]


@pytest.mark.parametrize(
    ("timestamp", "occurred_time"),
    [
        (1727431826, 1727431826 * MICROSECONDS),
        ("1727431826.0415029", 1727431826041502),
        (1727431826.041502, 1727431826041502),
        ("2024-09-27T10:10:26.041502Z", 1727431826041502),
        ("2024-09-27T12:10:26.041502+02:00", 1727431826041502),
        ("2024-09-27 10:10:26", 1727431826000000),
        (None, None),
        ("yesterday", None),
        ("-5", None),
        (True, None),
        ([1], None),
        ("9" * 13, None),
        (4102444799, 4102444799 * MICROSECONDS),
        (4102444799_999, 4102444799_999_000),
        (253402300800, None),
        ("1969-12-31T23:59:59Z", None),
        ("0001-01-01T00:00:00+23:59", None),
        ("9999-12-31T23:59:59-23:59", None),
    ],
)
def test_a_timestamp_may_come_in_any_shape(timestamp: Any, occurred_time: int | None) -> None:
    """Seconds and ISO 8601 are read to the microsecond; what is no time is kept as metadata."""
    (event,) = read(cloudmailin("open", timestamp=timestamp))

    assert event.occurred_time == occurred_time
    assert ("timestamp" in event.attributes.metadata) == (occurred_time is None and timestamp is not None)


def test_the_original_message_id_is_an_alias() -> None:
    """The id that the sender gave the message is kept as an alias."""
    (event,) = read(cloudmailin("open", original_message_id="<mine@example.com>"))

    assert event.attributes.aliases == ["<mine@example.com>"]


def test_details_are_taken_where_they_are_recognized() -> None:
    """Codes, text, link and client become fields of the event; the rest stays as JSON in its metadata."""
    details = {
        "code": "550",
        "status": "5.1.1",
        "reason": "User unknown",
        "url": "https://example.com/",
        "user_agent": "Mozilla/5.0",
        "ip": "192.0.2.1",
        "mx": ["mx.example.com"],
    }

    (event,) = read(cloudmailin("bounce", details=details))

    attributes = event.attributes
    assert (attributes.smtp_code, attributes.enhanced_code) == (550, "5.1.1")
    assert attributes.reason is Reason.INVALID_ADDRESS
    assert attributes.detail == "User unknown"
    assert attributes.url == "https://example.com/"
    assert attributes.user_agent == "Mozilla/5.0"
    assert attributes.ip_address == "192.0.2.1"
    assert attributes.metadata == {"details": '{"mx":["mx.example.com"]}'}


@pytest.mark.parametrize(
    ("details", "detail", "code"),
    [
        ("452-4.2.2 Mailbox full", "452-4.2.2 Mailbox full", 452),
        (["odd"], '["odd"]', 0),
        (7, "7", 0),
        (None, "", 0),
        ({"message": "550 no"}, "550 no", 550),
    ],
)
def test_details_of_any_shape_are_kept(details: Any, detail: str, code: int) -> None:
    """Details that are no object become the event's text, from which a reply code is read."""
    (event,) = read(cloudmailin("soft_bounce", details=details))

    assert (event.attributes.detail, event.attributes.smtp_code) == (detail, code)


@pytest.mark.parametrize(
    ("detail", "reason"),
    [
        ("The recipient has previously bounced", Reason.SUPPRESSION_LIST),
        ("flagged by our content checks", Reason.SPAM),
        ("The domain is unverified", Reason.UNVERIFIED_DOMAIN),
        ("because", Reason.UNSPECIFIED),
    ],
)
def test_a_suppression_has_the_reason_its_text_names(detail: str, reason: Reason) -> None:
    """The three causes that CloudMailin documents are told apart where the details name one."""
    (event,) = read(cloudmailin("suppressed", details={"reason": detail}))

    assert event.attributes.reason is reason


def test_an_undocumented_field_is_a_detail_too() -> None:
    """A field beside the details is taken as if it were among them."""
    (event,) = read(cloudmailin("click", url="https://example.com/", id=1, details={"mx": "a"}))

    assert event.attributes.url == "https://example.com/"
    assert event.attributes.metadata == {"details": '{"id":1,"mx":"a"}'}


def test_an_undocumented_field_keeps_two_events_apart() -> None:
    """Two opens that differ only in a field nobody documents are two events."""
    ((first,), (second,), (again,)) = (read(cloudmailin("open", id=number)) for number in (1, 2, 1))

    assert first.attributes.metadata == {"details": '{"id":1}'}
    assert event_key(first) != event_key(second)
    assert event_key(first) == event_key(again)


@pytest.mark.parametrize(
    ("event", "word"),
    [
        ({"recipient": "a@b", "message_id": "1"}, "kind"),
        ({"kind": "", "recipient": "a@b", "message_id": "1"}, "kind"),
        ({"kind": 5, "recipient": "a@b", "message_id": "1"}, "kind"),
        ({"kind": "open", "message_id": "1"}, "recipient"),
        ({"kind": "open", "recipient": "", "message_id": "1"}, "recipient"),
        ({"kind": "open", "recipient": ["a@b"], "message_id": "1"}, "recipient"),
        ({"kind": "open", "recipient": "a@b"}, "message_id"),
        ({"kind": "open", "recipient": "a@b", "message_id": None}, "message_id"),
        ({"kind": "open", "recipient": "a@b", "message_id": True}, "message_id"),
        ("open", "object"),
        (None, "object"),
    ],
)
def test_an_event_that_is_not_understood_leaves_the_others_standing(event: Any, word: str) -> None:
    """A bad event is a problem with its pointer and a sentence; the event beside it counts."""
    body = json.loads(cloudmailin("delivery"))
    body["events"].insert(0, event)

    reading = PROVIDERS["cloudmailin"].read(json.dumps(body).encode(), NOW)

    assert [pointer for pointer, _ in reading.events] == ["/events/1"]
    (problem,) = reading.problems
    assert problem.pointer == "/events/0"
    assert word in problem.reason


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"events":{}}', b'{"events":null}', b"1", b'"x"', b"null"])
def test_a_body_without_a_list_of_events_is_a_problem_as_a_whole(body: bytes) -> None:
    """A body of another shape is one problem with an empty pointer."""
    reading = PROVIDERS["cloudmailin"].read(body, NOW)

    assert ([], 0) == (reading.events, reading.ignored)
    assert [problem.pointer for problem in reading.problems] == [""]


def test_an_empty_list_of_events_says_nothing() -> None:
    """No events are no problem."""
    assert read(b'{"events":[]}') == []
