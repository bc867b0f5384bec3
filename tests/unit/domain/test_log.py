"""What an entry of the log says about itself."""

import pytest
from msgspec.structs import replace

from msgstate_server.domain.events import Event, EventAttributes, EventType
from msgstate_server.domain.log import EMPTY_FINGERPRINT, Effect, LogEntry
from msgstate_server.domain.states import Evidence

NOW = 1_790_000_000_000_000


def entry(event_type: EventType, before: Evidence, after: Evidence, *, automated: bool = False) -> LogEntry:
    """An entry of an event between two states."""
    event = Event("acme", "m", "a@example.com", event_type, None, NOW, EventAttributes(automated=automated))
    return LogEntry(3, event, "ab", before, after, 2, 9)


@pytest.mark.parametrize(
    ("event_type", "automated", "before", "after", "effect"),
    [
        (EventType.SENT, False, Evidence.NONE, Evidence.SENT, Effect.MOVED),
        (EventType.BOUNCED, False, Evidence.ERRORED, Evidence.FAILED, Effect.MOVED),
        (EventType.SENT, False, Evidence.SENT, Evidence.SENT, Effect.CONFIRMED),
        (EventType.OPENED, False, Evidence.ENGAGED, Evidence.ENGAGED, Effect.CONFIRMED),
        (EventType.OPENED, True, Evidence.DELIVERED, Evidence.DELIVERED, Effect.CONFIRMED),
        (EventType.OPENED, True, Evidence.ENGAGED, Evidence.ENGAGED, Effect.WEAKER),
        (EventType.COMPLAINED, False, Evidence.ENGAGED, Evidence.ENGAGED, Effect.WEAKER),
        (EventType.ERRORED, False, Evidence.FAILED, Evidence.FAILED, Effect.WEAKER),
    ],
)
def test_effect_compares_evidence(
    event_type: EventType, automated: bool, before: Evidence, after: Evidence, effect: Effect
) -> None:
    """MOVED where the rank rose, CONFIRMED where the evidence is equal, WEAKER where it is lower."""
    found = entry(event_type, before, after, automated=automated)
    assert found.effect is effect
    assert found.moved is (effect is Effect.MOVED)


def test_fingerprint_is_stable() -> None:
    """The fingerprint in clients' tokens stays what it is: 8 bytes, the same in every engine."""
    assert entry(EventType.SENT, Evidence.NONE, Evidence.SENT).fingerprint.hex() == "e2651d7d87d642d3"
    assert EMPTY_FINGERPRINT.hex() == "00" * 8


@pytest.mark.parametrize(
    "change", [{"position": 4}, {"key": "ac"}, {"commit_time": 10}, {"after": Evidence.FAILED}, {"version": 3}]
)
def test_fingerprint_tells_rows_apart(change: dict[str, int | str]) -> None:
    """A row that differs in position, key, commit time, state or version has another fingerprint."""
    row = entry(EventType.SENT, Evidence.NONE, Evidence.SENT)
    assert replace(row, **change).fingerprint != row.fingerprint
