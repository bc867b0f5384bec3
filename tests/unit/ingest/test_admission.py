"""What is made fit to enter the log, and what is told to come again."""

import pytest

from msgstate_server.domain.decision import Candidate, candidate
from msgstate_server.domain.events import EventType
from msgstate_server.domain.validation import Violation
from msgstate_server.ingest import admit
from tests.builders import event


@pytest.mark.parametrize(
    ("given", "message_id", "recipient", "aliases"),
    [
        ({"message_id": "m"}, "m", "a@example.com", []),
        ({"message_id": "<m@example.com>"}, "m@example.com", "a@example.com", []),
        ({"recipient": " Ann <Ann@EXAMPLE.com> "}, "m", "ann@example.com", []),
        ({"recipient": "debug@SMTP"}, "m", "debug@smtp", []),
        ({"aliases": ["<b>", "a", "b"]}, "m", "a@example.com", ["a", "b"]),
    ],
)
def test_event_is_normalized(given: dict[str, str], message_id: str, recipient: str, aliases: list[str]) -> None:
    """Ids and aliases lose their brackets, aliases what is double, and addresses their names and capitals."""
    admitted = admit(event(**given))  # type: ignore[arg-type]
    assert isinstance(admitted, Candidate)
    normalized = admitted.event
    assert (normalized.message_id, normalized.recipient, normalized.attributes.aliases) == (
        message_id,
        recipient,
        aliases,
    )


def test_candidate_is_of_the_normalized_event() -> None:
    """One event written in two ways has one identity and one key, and keeps how its recipient was written."""
    plain = event(message_id="m", recipient="a@example.com", aliases=["x", "y"])
    written = event(message_id="<m>", recipient="A <a@EXAMPLE.COM>", aliases=["<y>", "x", "y"])
    assert admit(plain) == candidate(plain)
    admitted = admit(written)
    assert isinstance(admitted, Candidate)
    assert admitted.event.attributes.reported_recipient == "A <a@EXAMPLE.COM>"
    admitted.event.attributes.reported_recipient = ""
    assert admitted == admit(plain)


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({"message_id": ""}, ["message_id"]),
        ({"message_id": "<>"}, ["message_id"]),
        ({"recipient": "  "}, ["recipient"]),
        ({"recipient": "Nobody <>"}, ["recipient"]),
        ({"provider": "Acme", "message_id": "x" * 999}, ["provider", "message_id"]),
        ({"aliases": ["<>"]}, ["aliases[0]"]),
        ({"detail": "\0"}, ["detail"]),
    ],
)
def test_event_that_breaks_rules(given: dict[str, str], fields: list[str]) -> None:
    """Rules are held against the normalized event, and all that are broken are told."""
    violations = admit(event(**given))  # type: ignore[arg-type]
    assert isinstance(violations, list)
    assert [violation.field for violation in violations] == fields


def test_event_without_a_type() -> None:
    """An event without a type is told the way out."""
    violations = admit(event(EventType.UNSPECIFIED))
    assert violations == [Violation("type", "must be set; use EVENT_TYPE_OTHER for a kind that has no type of its own")]
