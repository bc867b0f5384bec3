"""The lifecycle of one recipient: the only definition of the state machine, and the table compiled from it.

The state is the strongest evidence seen so far. That order is commutative, associative and idempotent, so webhooks
that come late, twice or out of order end in the same state.
"""

from collections.abc import Iterator
from typing import Final

from transitions import Machine

from msgstate_server.domain.events import EventType
from msgstate_server.domain.states import Evidence

EVIDENCE_OF: Final = {
    EventType.ACCEPTED: Evidence.QUEUED,
    EventType.DEFERRED: Evidence.QUEUED,
    EventType.HELD: Evidence.QUEUED,
    EventType.OTHER: Evidence.QUEUED,
    EventType.SENT: Evidence.SENT,
    EventType.ERRORED: Evidence.ERRORED,
    EventType.SUPPRESSED: Evidence.SUPPRESSED,
    EventType.DELIVERED: Evidence.DELIVERED,
    EventType.AUTO_REPLIED: Evidence.DELIVERED,
    EventType.COMPLAINED: Evidence.DELIVERED,
    EventType.UNSUBSCRIBED: Evidence.DELIVERED,
    EventType.OPENED: Evidence.ENGAGED,
    EventType.READ: Evidence.ENGAGED,
    EventType.CLICKED: Evidence.ENGAGED,
    EventType.REPLIED: Evidence.ENGAGED,
    EventType.BOUNCED: Evidence.FAILED,
    EventType.EXPIRED: Evidence.FAILED,
}
"""What each type of event is evidence of, when a person and not a machine caused it."""


def evidence_of(event_type: EventType, automated: bool) -> Evidence:
    """What an event is evidence of: a scanner's open proves arrival, not attention."""
    return _EVIDENCE[event_type][automated]


def trigger_name(event_type: EventType, automated: bool) -> str:
    """The machine's trigger for an event of this type."""
    return event_type.name.lower() + ("_automated" if automated else "")


def state_name(evidence: Evidence) -> str:
    """The machine's state for this evidence."""
    return evidence.name.lower()


def inputs() -> Iterator[tuple[EventType, bool]]:
    """Every (type, automated) that the machine answers to."""
    for event_type in EVIDENCE_OF:
        yield event_type, False
        yield event_type, True


def build_machine(model: object = None) -> Machine:
    """The machine itself: from every state, every event either raises the state or leaves it."""
    machine = Machine(
        model=model,
        states=[state_name(evidence) for evidence in Evidence],
        initial=state_name(Evidence.NONE),
        auto_transitions=False,
    )
    for event_type, automated in inputs():
        reached = evidence_of(event_type, automated)
        for source in Evidence:
            rises = reached > source
            machine.add_transition(
                trigger_name(event_type, automated),
                state_name(source),
                state_name(reached) if rises else None,
            )
    return machine


def _evidence(event_type: EventType, automated: bool) -> Evidence:
    evidence = EVIDENCE_OF.get(event_type, Evidence.NONE)
    return Evidence.DELIVERED if automated and evidence is Evidence.ENGAGED else evidence


_EVIDENCE: Final = tuple((_evidence(event_type, False), _evidence(event_type, True)) for event_type in EventType)


def _compile(machine: Machine) -> tuple[tuple[tuple[Evidence, Evidence], ...], ...]:
    """The machine as a table `[from][event type][automated]`: a look-up instead of a trigger, 100 times faster."""
    by_name = {state_name(evidence): evidence for evidence in Evidence}

    def reached(source: Evidence, event_type: EventType, automated: bool) -> Evidence:
        if event_type not in EVIDENCE_OF:
            return source
        (transition,) = machine.events[trigger_name(event_type, automated)].transitions[state_name(source)]
        return source if transition.dest is None else by_name[transition.dest]

    return tuple(
        tuple((reached(source, kind, False), reached(source, kind, True)) for kind in EventType) for source in Evidence
    )


NEXT: Final = _compile(build_machine())
"""`NEXT[evidence][event type][automated]` is the evidence after the event."""
