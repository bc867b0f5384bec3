"""Reads the fields that all filters share, lists of texts and enum values, and checks each value."""

from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

from msgstate.v1 import message_status_service_pb2 as pb
from msgstate_server.domain.events import ACCOUNT, EventType
from msgstate_server.domain.limits import FILTER_VALUES, ID_BYTES, METADATA_BYTES
from msgstate_server.domain.states import State
from msgstate_server.domain.validation import Violation, text_violations

_STATES: Final = {int(state): state for state in State if state is not State.UNSPECIFIED}
_TYPES: Final = {int(event_type): event_type for event_type in EventType if event_type is not EventType.UNSPECIFIED}

_T = TypeVar("_T")


def read_texts(field: str, values: Sequence[str], found: list[Violation]) -> frozenset[str]:
    """The texts of a list; adds violations to `found`."""
    found.extend(_text_violations(field, values))
    return frozenset(values[:FILTER_VALUES])


def _text_violations(field: str, values: Sequence[str]) -> Iterator[Violation]:
    if len(values) > FILTER_VALUES:
        yield _too_many(field, len(values))
        return
    for index, value in enumerate(values):
        if not value:
            yield Violation(f"{field}[{index}]", "must not be empty; leave it out")
        yield from text_violations(f"{field}[{index}]", value, ID_BYTES)


def read_metadata(
    wanted: pb.MessageStatusFilter | pb.TransitionFilter | pb.EventFilter, found: list[Violation]
) -> frozenset[tuple[str, str]]:
    """The metadata pairs that must be there, the account among them; what breaks a rule is added to what was found."""
    pairs = dict(wanted.metadata)
    if len(pairs) > 1:
        found.append(Violation("filter.metadata", f"must be at most one pair; found {len(pairs)}"))
    if wanted.account and pairs.get(ACCOUNT, wanted.account) != wanted.account:
        found.append(Violation("filter.metadata", "must not name another account than filter.account"))
    if wanted.account:
        pairs[ACCOUNT] = wanted.account
    for key, value in pairs.items():
        found.extend(text_violations("filter.metadata", key + value, METADATA_BYTES))
    return frozenset(pairs.items())


def read_states(field: str, numbers: Sequence[int], found: list[Violation]) -> frozenset[State]:
    """The states of a list; adds violations to `found`."""
    return _read_values(field, numbers, _STATES, "a state", found)


def read_types(field: str, numbers: Sequence[int], found: list[Violation]) -> frozenset[EventType]:
    """The event types of a list; adds violations to `found`."""
    return _read_values(field, numbers, _TYPES, "an event type", found)


def _read_values(
    field: str, numbers: Sequence[int], known: dict[int, _T], kind: str, found: list[Violation]
) -> frozenset[_T]:
    if len(numbers) > FILTER_VALUES:
        found.append(_too_many(field, len(numbers)))
    first = numbers[:FILTER_VALUES]
    for index, number in enumerate(first):
        if number not in known:
            rule = f"must be {kind}, {min(known)} to {max(known)}"
            found.append(Violation(f"{field}[{index}]", f"{rule}; found {number}"))
    return frozenset(known[number] for number in first if number in known)


def _too_many(field: str, count: int) -> Violation:
    return Violation(field, f"must be at most {FILTER_VALUES} values; found {count}")
