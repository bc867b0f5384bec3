"""The domain's numbers are those of the contract, so that neither the wire nor the store needs a translation."""

from enum import IntEnum

import pytest

from msgstate.v1 import event_pb2, event_service_pb2, log_pb2, status_pb2
from msgstate_server.domain.decision import Disposition
from msgstate_server.domain.events import EventType, Reason
from msgstate_server.domain.log import Effect
from msgstate_server.domain.states import NEEDS_ATTENTION, Evidence, State

CONTRACT = [
    (State, "STATE_", status_pb2.State.items()),
    (EventType, "EVENT_TYPE_", event_pb2.EventType.items()),
    (Reason, "REASON_", event_pb2.Reason.items()),
    (Effect, "EFFECT_", log_pb2.Effect.items()),
    (Disposition, "DISPOSITION_", event_service_pb2.Disposition.items()),
]


@pytest.mark.parametrize(("ours", "prefix", "theirs"), CONTRACT, ids=[ours.__name__ for ours, _, _ in CONTRACT])
def test_names_and_numbers_are_those_of_the_contract(
    ours: type[IntEnum], prefix: str, theirs: list[tuple[str, int]]
) -> None:
    """Every value has the name and the number that it has in `msgstate.v1`, and none is missing."""
    assert {prefix + value.name: int(value) for value in ours} == dict(theirs)


def test_evidence_numbers_are_those_of_the_store() -> None:
    """The numbers of the evidence, which are stored, stay what they are."""
    assert {evidence.name: int(evidence) for evidence in Evidence} == {
        "NONE": 0,
        "QUEUED": 1,
        "SENT": 2,
        "ERRORED": 3,
        "SUPPRESSED": 4,
        "DELIVERED": 5,
        "ENGAGED": 6,
        "FAILED": 7,
    }


@pytest.mark.parametrize("evidence", Evidence)
def test_evidence_shows_as_its_state(evidence: Evidence) -> None:
    """Errored and failed both show as FAILED, nothing known as UNSPECIFIED, and the rest under its own name."""
    shown = {"ERRORED": "FAILED", "NONE": "UNSPECIFIED"}.get(evidence.name, evidence.name)
    assert evidence.state is State[shown]


def test_attention_order() -> None:
    """A message's own state is that of the recipient most in need of attention, in the documented order."""
    names = [state.name for state in NEEDS_ATTENTION]
    assert names == ["FAILED", "SUPPRESSED", "QUEUED", "SENT", "DELIVERED", "ENGAGED"]
