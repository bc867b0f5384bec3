"""The diagram says what the machine does, in full and nothing else."""

import re
from collections.abc import Callable

import pytest
from transitions import Machine

from msgstate_server.domain.diagram import mermaid
from msgstate_server.domain.lifecycle import NEXT, build_machine, inputs, state_name, trigger_name
from msgstate_server.domain.states import Evidence

_ARROW = re.compile(r"    (\w+) --> (\w+) : (.+)")
Arrow = tuple[str, str, str]


def drawn(diagram: str) -> list[Arrow]:
    """Every `(source, destination, trigger)` that is written in a diagram."""
    matches = filter(None, map(_ARROW.fullmatch, diagram.splitlines()))
    return [
        (source, dest, name)
        for source, dest, label in (match.groups() for match in matches)
        for name in re.split(r", |<br/>", label)
    ]


def meant(diagram: str, states: list[str]) -> set[Arrow]:
    """Every move that a person reads in a diagram by following its notes."""
    apart = {name.removesuffix(" only") for _, _, name in drawn(diagram) if "_automated" in name}
    moves = set()
    for source, dest, name in drawn(diagram):
        sources = [source] if name.endswith(" only") else states[: states.index(dest)]
        trigger = name.removesuffix(" only")
        stands_for = {trigger} if trigger in apart else {trigger, f"{trigger}_automated"} - apart
        moves |= {(lower, dest, each) for lower in sources for each in stands_for}
    return moves


def test_every_state_and_trigger_is_drawn() -> None:
    """Every state is on an arrow, and every trigger too unless it is automated and does what its namesake does."""
    machine = build_machine()
    arrows = drawn(mermaid())
    triggers = {name for _, _, name in arrows}
    assert {name for arrow in arrows for name in arrow[:2]} == set(machine.states)
    assert {name for name in machine.events if not name.endswith("_automated")} <= triggers
    assert {name for name in triggers if name.endswith("_automated")} == {
        "opened_automated",
        "read_automated",
        "clicked_automated",
        "replied_automated",
    }


def test_diagram_means_what_the_table_says() -> None:
    """Read by its notes, the diagram gives every move of the compiled table and no other."""
    moves = {
        (state_name(source), state_name(NEXT[source][event_type][automated]), trigger_name(event_type, automated))
        for source in Evidence
        for event_type, automated in inputs()
        if NEXT[source][event_type][automated] is not source
    }
    assert meant(mermaid(), [state_name(evidence) for evidence in Evidence]) == moves


def test_diagram_is_the_same_each_time() -> None:
    """Two drawings of the same machine are equal, so that the one in the docs can be checked."""
    assert mermaid() == mermaid(build_machine())


def with_another_state(machine: Machine) -> Arrow:
    """A state that only one other leads to."""
    machine.add_state("lost")
    machine.add_transition("vanished", "sent", "lost")
    return "sent", "lost", "vanished only"


def with_a_fall(machine: Machine) -> Arrow:
    """An event that lowers the state."""
    machine.add_transition("recalled", "delivered", "suppressed")
    return "delivered", "suppressed", "recalled only"


def with_a_gap(machine: Machine) -> Arrow:
    """An event that leaves one of the lower states alone."""
    machine.remove_transition("expired", "queued", "failed")
    return "sent", "failed", "expired only"


@pytest.mark.parametrize("change", [with_another_state, with_a_fall, with_a_gap])
def test_diagram_changes_with_the_machine(change: Callable[[Machine], Arrow]) -> None:
    """A transition that breaks the ladder is drawn by itself."""
    machine = build_machine()
    arrow = change(machine)
    assert arrow in drawn(mermaid(machine))
    assert arrow not in drawn(mermaid())
