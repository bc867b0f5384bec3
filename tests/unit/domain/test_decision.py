"""What a batch does to the recipients it names: positions, duplicates, versions and aliases."""

from collections.abc import Mapping
from typing import Any

from msgstate_server.domain.decision import (
    Decision,
    Disposition,
    Outcome,
    StoredStatus,
    Submission,
    candidate,
    decide,
)
from msgstate_server.domain.events import Event, EventAttributes, EventType
from msgstate_server.domain.identity import Identity, event_key
from msgstate_server.domain.states import State
from msgstate_server.domain.status import RecipientStatus

NOW = 1_790_000_000_000_000
LATER = NOW + 1_000_000

Statuses = dict[Identity, StoredStatus]
Keys = Mapping[tuple[int, str], int]


def event(event_type: EventType, event_id: str = "", recipient: str = "a@example.com", **attributes: Any) -> Event:
    """An event about a recipient of the one message of these tests."""
    return Event("acme", "m", recipient, event_type, None, NOW, EventAttributes(event_id=event_id, **attributes))


def submission(*events: Event) -> Submission:
    """What one request brings."""
    return Submission([candidate(each) for each in events])


def decide_on(
    submissions: list[Submission], statuses: Statuses, known: Keys, position: int, commit_time: int = NOW
) -> Decision:
    """Decide, with a fresh status for every recipient that `statuses` lacks."""
    for each in submissions:
        for admitted in each.candidates:
            new = admitted.event
            if admitted.identity not in statuses:
                fresh = RecipientStatus(new.provider, new.message_id, new.recipient)
                statuses[admitted.identity] = StoredStatus(len(statuses) + 1, fresh)
    return decide(submissions, statuses, known, position, commit_time)


def keys_of(decision: Decision) -> dict[tuple[int, str], int]:
    """What the log knows after a decision."""
    return {(new.status_id, new.entry.key): new.entry.position for new in decision.appended}


def accepted(*positions: int) -> list[Outcome]:
    """New events at these positions."""
    return [Outcome(Disposition.ACCEPTED, position) for position in positions]


def test_positions_are_dense_across_submissions() -> None:
    """New events get the positions after the last one, in order, without a hole where a duplicate was."""
    sent, delivered, opened = (event(each) for each in (EventType.SENT, EventType.DELIVERED, EventType.OPENED))
    decision = decide_on([submission(sent, delivered, sent), submission(), submission(opened)], {}, {}, 41)
    assert decision.outcomes == [
        [*accepted(42, 43), Outcome(Disposition.DUPLICATE, 42)],
        [],
        accepted(44),
    ]
    assert [new.entry.position for new in decision.appended] == [42, 43, 44]
    assert [new.submission for new in decision.appended] == [0, 0, 2]


def test_duplicate_of_an_earlier_batch_names_the_position_that_stands() -> None:
    """An event that is in the log already changes nothing and is answered with its first position."""
    statuses: Statuses = {}
    first = decide_on([submission(event(EventType.SENT), event(EventType.OPENED))], statuses, {}, 0)
    again = decide_on([submission(event(EventType.OPENED))], statuses, keys_of(first), 5, LATER)
    assert again == Decision([[Outcome(Disposition.DUPLICATE, 2)]], [], {}, [], [])
    (stored,) = statuses.values()
    assert (stored.status.open_count, stored.status.update_time) == (1, NOW)


def test_duplicate_in_another_submission_of_the_batch() -> None:
    """Two requests that bring the same event at once: one is accepted, the other told where it stands."""
    same = submission(event(EventType.SENT, "e-1"))
    decision = decide_on([same, same], {}, {}, 0)
    assert decision.outcomes == [accepted(1), [Outcome(Disposition.DUPLICATE, 1)]]


def test_first_of_two_contents_stands() -> None:
    """Of two events with one key and different content, the first counts and the other leaves no trace."""
    first = event(EventType.BOUNCED, "e-1", detail="first", aliases=["a"])
    second = event(EventType.BOUNCED, "e-1", detail="second", aliases=["b"], smtp_code=550)
    statuses: Statuses = {}
    decision = decide_on([submission(first, second)], statuses, {}, 0)
    assert decision.outcomes == [[*accepted(1), Outcome(Disposition.DUPLICATE, 1)]]
    (stored,) = statuses.values()
    assert stored.status.failure is not None
    assert (stored.status.failure.detail, stored.status.aliases) == ("first", ["a"])


def test_same_key_counts_once_per_recipient() -> None:
    """One event id under two recipients, or under two types, is not a duplicate."""
    events = [
        event(EventType.SENT, "e-1", "a@example.com"),
        event(EventType.SENT, "e-1", "b@example.com"),
        event(EventType.DELIVERED, "e-1", "a@example.com"),
    ]
    assert decide_on([submission(*events)], {}, {}, 0).outcomes == [accepted(1, 2, 3)]


def test_entries_tell_before_and_after() -> None:
    """Each entry has the state before and after it, and the version rises with the transitions alone."""
    types = [EventType.SENT, EventType.ACCEPTED, EventType.ERRORED, EventType.BOUNCED, EventType.EXPIRED]
    decision = decide_on([submission(*map(event, types))], {}, {}, 0)
    entries = [appended.entry for appended in decision.appended]
    assert [(entry.before.name, entry.after.name, entry.version) for entry in entries] == [
        ("NONE", "SENT", 1),
        ("SENT", "SENT", 1),
        ("SENT", "ERRORED", 2),
        ("ERRORED", "FAILED", 3),
        ("FAILED", "FAILED", 3),
    ]
    assert {entry.commit_time for entry in entries} == {NOW}
    assert [entry.key for entry in entries] == [event_key(event(each)) for each in types]


def test_versions_go_on_from_the_stored_status() -> None:
    """A later batch folds onto what is stored."""
    statuses: Statuses = {}
    decide_on([submission(event(EventType.SENT))], statuses, {}, 0)
    decision = decide_on([submission(event(EventType.DELIVERED))], statuses, {}, 7, LATER)
    (changed,) = decision.changed.values()
    status = changed.status
    assert (status.state, status.version, status.position) == (State.DELIVERED, 2, 8)
    assert (status.create_time, status.update_time) == (NOW, LATER)


def test_changed_holds_each_recipient_once() -> None:
    """Every recipient with a new event is written once, and none that had only duplicates."""
    statuses: Statuses = {}
    quiet = event(EventType.SENT, "e-1", "quiet@example.com")
    first = decide_on([submission(quiet)], statuses, {}, 0)
    busy = [event(each, recipient="busy@example.com") for each in (EventType.SENT, EventType.OTHER)]
    decision = decide_on([submission(quiet, *busy)], statuses, keys_of(first), 1)
    assert [stored.status.recipient for stored in decision.changed.values()] == ["busy@example.com"]


def test_aliases_are_reported_once() -> None:
    """An alias is reported with the event that brings it first, and once per recipient."""
    statuses: Statuses = {}
    events = [
        event(EventType.ACCEPTED, aliases=["a", "a", "b"]),
        event(EventType.SENT, aliases=["b", "c"]),
        event(EventType.SENT, recipient="b@example.com", aliases=["a"]),
    ]
    decision = decide_on([submission(*events)], statuses, {}, 0)
    assert sorted(decision.aliases) == [(1, "a"), (1, "b"), (1, "c"), (2, "a")]
    later = decide_on([submission(event(EventType.DELIVERED, aliases=["c", "d"]))], statuses, keys_of(decision), 3)
    assert later.aliases == [(1, "d")]


def test_candidate_has_identity_and_key() -> None:
    """Two events about one recipient share an identity, and those about another do not."""
    one, other = candidate(event(EventType.SENT)), candidate(event(EventType.OPENED))
    third = candidate(event(EventType.SENT, recipient="b@example.com"))
    assert one.identity == other.identity
    assert one.identity != third.identity
    assert one.key == event_key(one.event)
