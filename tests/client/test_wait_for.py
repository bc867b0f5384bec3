"""Waiting for a message: what ends the wait, and what does not."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

import msgstate
from msgstate import Client, State
from tests.acceptance.server_process import ServerProcess
from tests.client.conftest import Connect
from tests.client.samples import BOUNCED, DELIVERED, ERRORED, OPENED, SENT, event
from tests.ports import free_port

SUPPRESSED = msgstate.EventType.EVENT_TYPE_SUPPRESSED


def wait(client: Client, message_id: str, *until: State.ValueType, seconds: float = 10, **how: Any) -> State.ValueType:
    """The state in which the wait ends."""
    return client.wait_for(message_id, until or msgstate.SETTLED, timeout=seconds, **how).state


def test_what_is_there_already_is_answered_at_once(client: Client, message_id: str) -> None:
    """A message that is settled needs no wait."""
    client.publish_batch([event(message_id, DELIVERED)])

    assert State.STATE_DELIVERED == wait(client, message_id, seconds=0.5)


def test_a_message_is_waited_for(client: Client, message_id: str, later: Callable[..., None]) -> None:
    """The wait ends with the transition into a settled state, soon after it, not with one before."""
    client.publish_batch([event(message_id, SENT)])
    later(event(message_id, ERRORED), event(message_id, DELIVERED))

    assert State.STATE_DELIVERED == wait(client, message_id)


@pytest.mark.parametrize("name", ["", "-alias"], ids=["id", "alias"])
def test_an_unknown_message_is_waited_for(
    client: Client, message_id: str, later: Callable[..., None], name: str
) -> None:
    """A message that nobody knows yet is waited for, by its id or an alias."""
    later(event(message_id, SENT, aliases=[f"{message_id}-alias"]), event(message_id, DELIVERED))

    assert State.STATE_DELIVERED == wait(client, f"<{message_id}{name}>")


def test_a_later_state_counts_for_an_earlier_one(client: Client, message_id: str) -> None:
    """Who waits for SENT is content with ENGAGED; who waits for ENGAGED is not with DELIVERED."""
    client.publish_batch([event(message_id, OPENED), event(f"{message_id}-b", DELIVERED)])

    assert State.STATE_ENGAGED == wait(client, message_id, State.STATE_SENT, seconds=0.5)
    assert State.STATE_ENGAGED == client.wait_for(message_id, State.STATE_QUEUED, timeout=0.5).state
    with pytest.raises(msgstate.WaitTimeout):
        wait(client, f"{message_id}-b", State.STATE_ENGAGED, seconds=0.3)


def test_a_provisional_failure_counts_where_it_is_asked_for(client: Client, message_id: str) -> None:
    """A failure that may be overturned ends the wait only with `provisional`."""
    client.publish_batch([event(message_id, ERRORED)])

    assert State.STATE_FAILED == wait(client, message_id, provisional=True, seconds=0.5)
    with pytest.raises(msgstate.WaitTimeout):
        wait(client, message_id, seconds=0.3)


def test_a_final_failure_ends_the_wait(client: Client, message_id: str, later: Callable[..., None]) -> None:
    """A failure that becomes final ends a wait that was not content with a provisional one."""
    client.publish_batch([event(message_id, ERRORED)])
    later(event(message_id, BOUNCED))

    assert State.STATE_FAILED == wait(client, message_id)


@pytest.mark.parametrize("until", [State.STATE_DELIVERED, State.STATE_SUPPRESSED])
def test_what_cannot_happen_any_more_fails_at_once(
    client: Client, message_id: str, until: State.ValueType, later: Callable[..., None]
) -> None:
    """After a final failure, who waits for anything else gets WaitFailed with the status."""
    client.publish_batch([event(message_id, SENT)])
    later(event(message_id, BOUNCED))

    with pytest.raises(msgstate.WaitFailed, match=f"acme/{message_id} failed for good") as raised:
        wait(client, message_id, until)

    assert State.STATE_FAILED == raised.value.status.state
    assert raised.value.status.recipients[0].failure.final


def test_suppressed_may_still_be_delivered(client: Client, message_id: str, later: Callable[..., None]) -> None:
    """Suppressed is settled, and no reason to give up a wait for DELIVERED."""
    client.publish_batch([event(message_id, SUPPRESSED)])

    assert State.STATE_SUPPRESSED == wait(client, message_id)
    later(event(message_id, DELIVERED))
    assert State.STATE_DELIVERED == wait(client, message_id, State.STATE_DELIVERED)


def test_the_message_is_as_far_as_its_last_recipient(
    client: Client, message_id: str, later: Callable[..., None]
) -> None:
    """A message is delivered when all its recipients are; with a recipient that one alone is waited for."""
    client.publish_batch([event(message_id, SENT, to) for to in ("a@x.example", "b@x.example")])
    later(event(message_id, DELIVERED, "a@x.example"), event(message_id, DELIVERED, "b@x.example"))

    alone = client.wait_for(message_id, recipient="a@x.example", timeout=10)
    both = client.wait_for(message_id, timeout=10)

    assert ["a@x.example"] == [found.recipient for found in alone.recipients]
    assert State.STATE_DELIVERED == alone.state
    assert {State.STATE_DELIVERED} == {found.state for found in both.recipients}


def test_a_final_failure_among_many_recipients_is_found(client: Client, message_id: str) -> None:
    """A recipient that failed for good counts, also where the status has no room for it."""
    client.publish(event(message_id, ERRORED, f"{number}@x.example") for number in range(1_001))
    with pytest.raises(msgstate.WaitTimeout):
        wait(client, message_id, seconds=0.5)

    client.publish_batch([event(message_id, BOUNCED, "1000@x.example")])

    status = client.wait_for(message_id, timeout=5)
    assert (State.STATE_FAILED, True) == (status.state, status.recipients_truncated)
    assert not any(recipient.failure.final for recipient in status.recipients)
    with pytest.raises(msgstate.WaitFailed):
        wait(client, message_id, State.STATE_DELIVERED)


def test_a_timeout_tells_what_was_known(client: Client, message_id: str) -> None:
    """A wait that takes too long raises WaitTimeout, a TimeoutError, with the last known status or None."""
    client.publish_batch([event(message_id, SENT)])

    with pytest.raises(TimeoutError, match=f"acme/{message_id} is SENT after 0.3 s, not DELIVERED or") as known:
        wait(client, message_id, seconds=0.3)
    with pytest.raises(msgstate.WaitTimeout, match=f"no message with the id or alias '{message_id}-x'") as unknown:
        wait(client, f"{message_id}-x", seconds=0.3)

    assert isinstance(known.value, msgstate.WaitTimeout)
    assert known.value.status is not None
    assert State.STATE_SENT == known.value.status.state
    assert unknown.value.status is None


def test_an_ambiguous_message_is_not_waited_for(client: Client, message_id: str) -> None:
    """An id that names several messages raises MessageAmbiguous, and with a provider it does not."""
    client.publish_batch([event(message_id, DELIVERED, provider=provider) for provider in ("acme", "other")])

    with pytest.raises(msgstate.MessageAmbiguous):
        wait(client, message_id)
    assert "other" == client.wait_for(message_id, provider="other", timeout=1).provider


def test_a_wait_needs_a_server(connect: Connect) -> None:
    """Where no server is reached within the client's timeout, the wait ends with ServerUnavailable."""
    with pytest.raises(msgstate.ServerUnavailable):
        wait(connect(f"127.0.0.1:{free_port()}", timeout=0.3), "m")


def test_a_wait_outlives_a_restart(connect: Connect, own_server: ServerProcess) -> None:
    """A wait goes on over a restart of its server; where the server stays away it ends with WaitTimeout."""
    client = connect(own_server.grpc)
    client.publish_batch([event("m", SENT)])

    def restart() -> None:
        own_server.kill()
        own_server.start()
        with Client(own_server.grpc) as publisher:
            publisher.publish_batch([event("m", DELIVERED)])

    restarting = threading.Timer(0.3, restart)
    restarting.start()
    assert State.STATE_DELIVERED == wait(client, "m", seconds=30)
    restarting.join()
    stopping = threading.Timer(0.3, own_server.kill)
    stopping.start()
    with pytest.raises(msgstate.WaitTimeout) as raised:
        wait(client, "m", State.STATE_ENGAGED, seconds=1)
    stopping.join()
    assert raised.value.status is not None


def test_closing_ends_a_wait(client: Client, message_id: str) -> None:
    """A client that is closed while it waits raises ClientClosed, and says nothing of time."""
    closing = threading.Timer(0.2, client.close)
    closing.start()
    try:
        with pytest.raises(msgstate.ClientClosed):
            client.wait_for(message_id, timeout=60)
    finally:
        closing.join()


@pytest.mark.parametrize("until", [(), State.STATE_UNSPECIFIED, [99]])
def test_only_states_can_be_waited_for(client: Client, until: State.ValueType) -> None:
    """What is no state to wait for raises ValueError."""
    with pytest.raises(ValueError, match="until must be"):
        client.wait_for("m", until, timeout=1)
