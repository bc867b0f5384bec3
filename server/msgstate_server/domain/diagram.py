"""The lifecycle as a picture for people, drawn from the machine itself, so that it cannot say anything else."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Final

from transitions import Machine

from msgstate_server.domain.lifecycle import build_machine, state_name
from msgstate_server.domain.states import Evidence

_Moves = frozenset[tuple[str, str]]

_SHOWN_AS: Final = {state_name(evidence): evidence.state.name for evidence in Evidence}
_AUTOMATED: Final = "_automated"
_PER_LINE: Final = 4
_NOTE: Final = """\
    note right of {first}
        An event lifts every lower state straight
        up to the state that its arrow points at,
        and leaves that state and higher ones alone.
        sent also stands for sent_automated, and so on,
        except where that has an arrow of its own.
    end note
    note right of {last}
        errored and failed both show as FAILED.
        errored is provisional, failed is final.
    end note"""


def mermaid(machine: Machine | None = None) -> str:
    """A Mermaid state diagram: the states as a ladder, each step with the events that lead up to it.

    A trigger that does not lead to one state from all lower ones is drawn arrow by arrow, marked `only`.
    """
    machine = build_machine() if machine is None else machine
    states = list(machine.states)
    arrows: dict[tuple[str, str], list[str]] = {step: [] for step in pairwise(states)}
    for trigger, moves in _distinct(_moves(machine)).items():
        rung = _rung(moves, states)
        if rung:
            arrows[states[rung - 1], states[rung]].append(trigger)
        else:
            for arrow in sorted(moves):
                arrows.setdefault(arrow, []).append(f"{trigger} only")
    lines = ["stateDiagram-v2", *_descriptions(states), f"    [*] --> {machine.initial}"]
    lines += [f"    {source} --> {dest} : {_label(names)}" for (source, dest), names in arrows.items() if names]
    lines.append(_NOTE.format(first=states[0], last=states[-1]))
    return "\n".join(lines) + "\n"


def _moves(machine: Machine) -> dict[str, _Moves]:
    """What each trigger changes: its `(source, destination)`, without those where the state stays."""
    return {
        name: frozenset(
            (transition.source, transition.dest)
            for transitions in event.transitions.values()
            for transition in transitions
            if transition.dest not in (None, transition.source)
        )
        for name, event in machine.events.items()
    }


def _distinct(moves: Mapping[str, _Moves]) -> dict[str, _Moves]:
    """The triggers without those automated ones that do the same as their namesakes."""
    return {
        name: changed
        for name, changed in moves.items()
        if not name.endswith(_AUTOMATED) or moves.get(name.removesuffix(_AUTOMATED)) != changed
    }


def _rung(moves: _Moves, states: list[str]) -> int:
    """The rank of the state that a trigger leads to from all lower ones and no other; 0 where it does not."""
    for rank, dest in enumerate(states):
        if rank and moves == {(source, dest) for source in states[:rank]}:
            return rank
    return 0


def _descriptions(states: list[str]) -> Iterator[str]:
    for name in states:
        shown = _SHOWN_AS.get(name, "")
        if shown and shown != name.upper():
            yield f"    {name} : {name}, shows as {shown}"


def _label(names: list[str]) -> str:
    lines = [", ".join(names[start : start + _PER_LINE]) for start in range(0, len(names), _PER_LINE)]
    return "<br/>".join(lines)
