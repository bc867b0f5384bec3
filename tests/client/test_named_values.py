"""Enum values by name, and times that do not say which one they are."""

from datetime import UTC, datetime
from typing import Any

import pytest

from msgstate import EARLIEST, Client, Event, EventType, Reason, State
from tests.client.samples import DELIVERED, SENT, event


@pytest.mark.parametrize("name", ["DELIVERED", "EVENT_TYPE_DELIVERED", "delivered"])
def test_an_event_takes_its_type_by_name(name: str) -> None:
    """The prefix of the contract can be left out."""
    assert Event(type=name).type == EventType.EVENT_TYPE_DELIVERED  # type: ignore[arg-type]
    assert Event(reason="MAILBOX_FULL").reason == Reason.REASON_MAILBOX_FULL  # type: ignore[arg-type]


def test_a_wrong_name_is_refused_with_the_valid_ones() -> None:
    """The error names the field, what was found and every valid value."""
    with pytest.raises(ValueError, match=r"^type must be one of ACCEPTED, .*DELIVERED.*; found 'DELIVRED'$"):
        Event(type="DELIVRED")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^reason must be one of .*MAILBOX_FULL.*; found ''$"):
        Event(reason="")  # type: ignore[arg-type]


@pytest.mark.parametrize("field", ["occurred_time", "received_time"])
def test_an_event_refuses_a_naive_time(field: str) -> None:
    """Taken for UTC it could be hours off; with an offset it is the instant that it says."""
    fields: dict[str, Any] = {field: datetime(2026, 1, 2, 3, 4)}  # noqa: DTZ001
    with pytest.raises(ValueError, match=rf"^{field} has no time zone: give one, as in datetime.now\(timezone.utc\)$"):
        Event(**fields)


def test_filters_take_states_by_name(client: Client, message_id: str) -> None:
    """Lists, watches and waits take names with and without the prefix."""
    client.publish_batch([event(message_id, SENT), event(message_id, DELIVERED)])

    found = list(client.list_statuses(states=["DELIVERED", "STATE_FAILED"], message_id=message_id))
    with client.watch(EARLIEST, message_ids=[message_id], to_states=["delivered"]) as watch:
        transition = next(watch)
    with client.watch_events(EARLIEST, message_ids=[message_id], types=["SENT"]) as watched:
        entry = next(watched)
    waited = client.wait_for(message_id, "DELIVERED", timeout=10)

    assert [status.message_id for status in found] == [message_id]
    assert transition.to_state == State.STATE_DELIVERED
    assert entry.event.type == SENT
    assert waited.state == State.STATE_DELIVERED
    assert client.wait_for(message_id, ["STATE_SENT", "FAILED"], timeout=10).state == State.STATE_DELIVERED


def test_filters_refuse_wrong_names_at_once(client: Client) -> None:
    """No call is made: the error names the argument and the valid values; a lone str is refused, not taken apart."""
    valid = "QUEUED, SENT, DELIVERED, ENGAGED, FAILED, SUPPRESSED"
    with pytest.raises(ValueError, match=rf"^states must be one of {valid}; found 'OPENED'$"):
        client.list_statuses(states=["OPENED"])
    with pytest.raises(ValueError, match=rf"^to_states must be one of {valid}; found 'x'$"):
        client.watch(to_states=["x"])
    with pytest.raises(ValueError, match=r"^types must be one of .*OPENED.*; found 'x'$"):
        client.watch_events(types=["x"])
    with pytest.raises(ValueError, match=rf"^until must be one of {valid}; found 'x'$"):
        client.wait_for("m", "x", timeout=1)
    with pytest.raises(TypeError, match=r"^states is a str, and takes several: give \['DELIVERED'\]$"):
        client.list_statuses(states="DELIVERED")


def test_an_aware_time_is_taken(client: Client, message_id: str) -> None:
    """The instant of a time with an offset arrives as it is."""
    made = event(message_id, SENT)
    made.occurred_time.FromDatetime(datetime(2026, 1, 2, 3, 4, tzinfo=UTC))
    client.publish_batch([made])

    (entry,) = client.get_history(message_id)
    assert entry.event.occurred_time.ToDatetime(UTC) == datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
