"""The laws of the lifecycle, proved over every state and every event there is."""

from itertools import product
from typing import Any

import pytest

from msgstate_server.domain.events import EventType
from msgstate_server.domain.lifecycle import NEXT, build_machine, evidence_of, inputs, state_name, trigger_name
from msgstate_server.domain.states import Evidence

Input = tuple[EventType, bool]

EVENTS: list[Input] = [
    (event_type, automated)
    for event_type in EventType
    if event_type is not EventType.UNSPECIFIED
    for automated in (False, True)
]

RANKS = ["none", "queued", "sent", "errored", "suppressed", "delivered", "engaged", "failed"]

EVIDENCE = {
    "ACCEPTED": ("queued", "queued"),
    "DEFERRED": ("queued", "queued"),
    "HELD": ("queued", "queued"),
    "OTHER": ("queued", "queued"),
    "SENT": ("sent", "sent"),
    "ERRORED": ("errored", "errored"),
    "SUPPRESSED": ("suppressed", "suppressed"),
    "DELIVERED": ("delivered", "delivered"),
    "AUTO_REPLIED": ("delivered", "delivered"),
    "COMPLAINED": ("delivered", "delivered"),
    "UNSUBSCRIBED": ("delivered", "delivered"),
    "OPENED": ("engaged", "delivered"),
    "READ": ("engaged", "delivered"),
    "CLICKED": ("engaged", "delivered"),
    "REPLIED": ("engaged", "delivered"),
    "BOUNCED": ("failed", "failed"),
    "EXPIRED": ("failed", "failed"),
}
"""What each type is evidence of: caused by a person, and automated."""


def after(state: Evidence, event: Input) -> Evidence:
    """The state after an event."""
    event_type, automated = event
    return NEXT[state][event_type][automated]


def test_events_are_complete() -> None:
    """The machine answers to every type but UNSPECIFIED, automated or not, and to nothing else."""
    assert list(inputs()) == EVENTS
    assert list(build_machine().events) == [trigger_name(*event) for event in EVENTS]


def test_states_rise_in_the_documented_order() -> None:
    """The machine's states are the seven of the lifecycle and the one before the first event, in rising rank."""
    assert [state_name(state) for state in sorted(Evidence)] == RANKS
    assert list(build_machine().states) == RANKS


def test_each_event_is_evidence_of_the_documented_state() -> None:
    """The evidence of every type, and where a machine and not a person caused it, is as documented."""
    table = {
        event_type.name: (state_name(evidence_of(event_type, False)), state_name(evidence_of(event_type, True)))
        for event_type in EventType
        if event_type is not EventType.UNSPECIFIED
    }
    assert table == EVIDENCE


@pytest.mark.parametrize("state", Evidence)
def test_two_events_commute(state: Evidence) -> None:
    """Of any two events, the one that comes first does not matter."""
    for one, other in product(EVENTS, EVENTS):
        assert after(after(state, one), other) is after(after(state, other), one), (one, other)


@pytest.mark.parametrize("state", Evidence)
def test_events_are_idempotent(state: Evidence) -> None:
    """The same event again changes nothing."""
    for event in EVENTS:
        assert after(after(state, event), event) is after(state, event), event


@pytest.mark.parametrize("state", Evidence)
def test_rank_never_falls(state: Evidence) -> None:
    """An event leaves the rank as it is or raises it."""
    for event in EVENTS:
        assert after(state, event) >= state, event


@pytest.mark.parametrize("state", Evidence)
def test_state_is_the_strongest_evidence(state: Evidence) -> None:
    """The state after an event is the stronger of what was known and what the event is evidence of."""
    for event in EVENTS:
        assert after(state, event) is max(state, evidence_of(*event)), event


def test_first_event_is_a_transition() -> None:
    """Whatever the first event of a recipient is, it moves the state."""
    for event in EVENTS:
        assert after(Evidence.NONE, event) is not Evidence.NONE, event


def test_seven_transitions_at_most() -> None:
    """The longest chain of transitions that any events can make has seven."""

    def longest(state: Evidence) -> int:
        reached = {after(state, event) for event in EVENTS} - {state}
        return max((1 + longest(next_state) for next_state in reached), default=0)

    assert longest(Evidence.NONE) == 7


def test_unspecified_moves_nothing() -> None:
    """An event without a type, which is refused before it comes here, would leave every state as it is."""
    for state, automated in product(Evidence, (False, True)):
        assert after(state, (EventType.UNSPECIFIED, automated)) is state


class Recipient:
    """A model for the machine to act upon; the machine adds its triggers as methods."""

    state: str


@pytest.mark.parametrize("state", Evidence)
def test_table_agrees_with_the_running_machine(state: Evidence) -> None:
    """The table gives the state that the machine, driven by its own triggers, ends in."""
    recipient: Any = Recipient()
    machine = build_machine(recipient)
    assert recipient.state == "none"
    for event in EVENTS:
        machine.set_state(state_name(state), recipient)
        getattr(recipient, trigger_name(*event))()
        assert recipient.state == state_name(after(state, event)), event
