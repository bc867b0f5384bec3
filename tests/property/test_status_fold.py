"""The same events in any order, doubled, cut into any batches, fold into the same statuses."""

from collections.abc import Sequence
from itertools import permutations
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import asdict

from msgstate_server.domain.decision import (
    Candidate,
    Disposition,
    Outcome,
    StoredStatus,
    Submission,
    candidate,
    decide,
)
from msgstate_server.domain.events import Event, EventAttributes, EventType, Reason
from msgstate_server.domain.identity import Identity
from msgstate_server.domain.lifecycle import evidence_of
from msgstate_server.domain.status import RecipientStatus

ARRIVAL_DEPENDENT = {"version", "position", "create_time", "update_time", "state_change_time"}

NOW = 1_790_000_000_000_000
DAY = 86_400_000_000
OCCURRED = (None, 0, NOW - 2 * DAY, NOW - DAY, NOW - 1, NOW + DAY, NOW + DAY + 1)
RECEIVED = (NOW, NOW + 1, NOW + 2)

Facts = dict[tuple[str, str], dict[str, Any]]


class Log:
    """What a store keeps around `decide`, in memory."""

    def __init__(self) -> None:
        self.statuses: dict[Identity, StoredStatus] = {}
        self.keys: dict[tuple[int, str], int] = {}
        self.outcomes: list[Outcome] = []

    def append(self, candidates: Sequence[Candidate]) -> None:
        """Commit one batch."""
        for admitted in candidates:
            event = admitted.event
            if admitted.identity not in self.statuses:
                fresh = RecipientStatus(event.provider, event.message_id, event.recipient)
                self.statuses[admitted.identity] = StoredStatus(len(self.statuses) + 1, fresh)
        last = len(self.keys)
        decision = decide([Submission(candidates)], self.statuses, self.keys, last, NOW + last)
        for new in decision.appended:
            self.keys[new.status_id, new.entry.key] = new.entry.position
        self.outcomes += decision.outcomes[0]

    def facts(self) -> Facts:
        """Each recipient's status but for what rests on the order of arrival."""
        statuses = [stored.status for stored in self.statuses.values()]
        return {
            (status.message_id, status.recipient): {
                name: value for name, value in asdict(status).items() if name not in ARRIVAL_DEPENDENT
            }
            for status in statuses
        }


def fold(candidates: Sequence[Candidate]) -> Facts:
    """The facts after one batch."""
    log = Log()
    log.append(candidates)
    return log.facts()


def distinct(events: Sequence[Event]) -> list[Candidate]:
    """The events without those whose key an earlier one has: of two with different content, the first stands."""
    first: dict[tuple[Identity, str], Candidate] = {}
    for each in map(candidate, events):
        first.setdefault((each.identity, each.key), each)
    return list(first.values())


attributes = st.builds(
    EventAttributes,
    event_id=st.sampled_from(("", "a", "b", "c")),
    reason=st.sampled_from((Reason.UNSPECIFIED, Reason.POLICY)),
    detail=st.sampled_from(("", "one", "other")),
    automated=st.booleans(),
    aliases=st.lists(st.sampled_from(("x", "y", "z")), max_size=2),
    message_ref=st.sampled_from(("", "", "r", "s")),
    metadata=st.dictionaries(st.sampled_from(("k", "l")), st.sampled_from(("1", "2", "x" * 300)), max_size=2),
)

events = st.builds(
    Event,
    provider=st.just("acme"),
    message_id=st.just("m"),
    recipient=st.sampled_from(("a@example.com", "b@example.com")),
    type=st.sampled_from([event_type for event_type in EventType if event_type is not EventType.UNSPECIFIED]),
    occurred_time=st.sampled_from(OCCURRED),
    received_time=st.sampled_from(RECEIVED),
    attributes=attributes,
)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(st.lists(events, max_size=5).map(distinct))
def test_every_order_gives_the_same_facts(candidates: list[Candidate]) -> None:
    """Up to five events end in the same statuses in every order there is."""
    expected = fold(candidates)
    for order in permutations(candidates):
        assert fold(order) == expected


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.lists(events, min_size=1, max_size=30).map(distinct), st.data())
def test_shuffled_doubled_and_cut_gives_the_same_facts(candidates: list[Candidate], data: st.DataObject) -> None:
    """Many events end in the same statuses however they are shuffled, repeated and cut into batches."""
    repeated = data.draw(st.lists(st.sampled_from(candidates), max_size=30))
    arrivals = data.draw(st.permutations(candidates + repeated))
    log = Log()
    while arrivals:
        size = data.draw(st.integers(1, len(arrivals)))
        log.append(arrivals[:size])
        arrivals = arrivals[size:]
    assert log.facts() == fold(candidates)
    assert sorted(outcome.position for outcome in log.outcomes if outcome.disposition is Disposition.ACCEPTED) == list(
        range(1, len(candidates) + 1)
    )


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.lists(events, min_size=1, max_size=30).map(distinct))
def test_evidence_is_the_strongest_and_versions_count_its_rises(candidates: list[Candidate]) -> None:
    """A recipient's evidence is the strongest of its events', and it made one transition at least, seven at most."""
    log = Log()
    log.append(candidates)
    for identity, stored in log.statuses.items():
        own = [each.event for each in candidates if each.identity == identity]
        assert stored.status.evidence is max(evidence_of(event.type, event.attributes.automated) for event in own)
        assert 1 <= stored.status.version <= min(7, len(own))
