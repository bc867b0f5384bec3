"""A message by its sender's own id: what the clients answer, follow and wait for."""

from collections.abc import Callable

import pytest

from msgstate import EARLIEST, Client, MessageNotFound, State
from tests.client.samples import DELIVERED, SENT, event


def test_a_message_is_found_by_its_ref(client: Client, message_id: str) -> None:
    """Statuses, lists and histories by ref join what the sender and the provider said under two ids."""
    ref = f"{message_id}-ref"
    client.publish_batch([event(ref, SENT, message_ref=ref), event(message_id, DELIVERED, message_ref=ref)])

    status = client.get_status(message_ref=ref).status
    assert [recipient.state for recipient in status.recipients] == [State.STATE_DELIVERED]
    assert [each.state for each in client.list_statuses(message_ref=ref)] == [State.STATE_DELIVERED]
    assert [entry.event.message_id for entry in client.get_history(message_ref=ref)] == [ref, message_id]
    with client.watch(EARLIEST, message_refs=[ref]) as watch:
        assert [next(watch).message_id for _ in range(2)] == [ref, message_id]


def test_an_unknown_ref_is_not_found(client: Client, message_id: str) -> None:
    """A ref that nothing carries is an error of its own, not an empty status."""
    with pytest.raises(MessageNotFound):
        client.get_status(message_ref=f"{message_id}-ref")


def test_a_wait_by_ref_begins_before_the_message(client: Client, message_id: str, later: Callable[..., None]) -> None:
    """A ref that nobody knows yet is waited for."""
    ref = f"{message_id}-ref"
    later(event(message_id, SENT, message_ref=ref), event(message_id, DELIVERED))

    assert client.wait_for(message_ref=ref, timeout=20).state == State.STATE_DELIVERED


def test_a_wait_by_ref_sees_a_link_that_comes_last(client: Client, message_id: str, later: Callable[..., None]) -> None:
    """The provider's id is delivered first; the event that links it to the ref moves no state, and ends the wait."""
    ref = f"{message_id}-ref"
    client.publish_batch([event(ref, SENT, message_ref=ref), event(message_id, DELIVERED)])
    later(event(message_id, DELIVERED, message_ref=ref, event_id="linked"))

    assert client.wait_for(message_ref=ref, timeout=20).state == State.STATE_DELIVERED
