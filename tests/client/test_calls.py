"""Single calls: what they answer, what they raise, how long they take."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from grpc import StatusCode

import msgstate
from msgstate import Client, State
from tests.acceptance.server_process import ServerProcess
from tests.client.conftest import Connect
from tests.client.samples import DELIVERED, SENT, event
from tests.ports import free_port


@contextmanager
def silent_server() -> Iterator[str]:
    """The address of a port that accepts connections and never says anything."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def test_a_status_is_what_was_published(client: Client, message_id: str) -> None:
    """A message's status comes by its id and by an alias, with a token that a watch can start from."""
    published = client.publish_batch([event(message_id, DELIVERED, aliases=[f"{message_id}-alias"])])

    by_id = client.get_status(message_id)
    by_alias = client.get_status(f"<{message_id}-alias>", "acme", "a@example.com")

    assert [msgstate.State.STATE_DELIVERED] * 2 == [by_id.status.state, by_alias.status.state]
    assert message_id == by_alias.status.message_id
    assert published.resume_token == by_id.resume_token


def test_an_unknown_message_is_not_found(client: Client) -> None:
    """A message that nobody knows raises MessageNotFound, its reason for programs and its text for people."""
    with pytest.raises(msgstate.MessageNotFound, match="no message has the id or alias 'nobody'") as raised:
        client.get_status("nobody")

    assert (StatusCode.NOT_FOUND, "MESSAGE_NOT_FOUND") == (raised.value.code, raised.value.reason)


def test_an_ambiguous_id_names_the_messages(client: Client, message_id: str) -> None:
    """An id that names several messages raises MessageAmbiguous, which tells them."""
    client.publish_batch([event(message_id, provider=provider) for provider in ("acme", "other")])

    with pytest.raises(msgstate.MessageAmbiguous) as raised:
        client.get_status(message_id)

    assert [("acme", message_id), ("other", message_id)] == [
        (message.provider, message.message_id) for message in raised.value.messages
    ]
    assert "other" == client.get_status(message_id, "other").status.provider


def test_an_invalid_request_names_its_fields(client: Client) -> None:
    """A field that breaks a rule raises InvalidRequest, which names it."""
    with pytest.raises(msgstate.InvalidRequest) as raised:
        client.get_status("")

    assert ["message_id"] == [field for field, _ in raised.value.violations]
    assert (StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST") == (raised.value.code, raised.value.reason)


def test_a_batch_over_its_limits_is_told(client: Client) -> None:
    """More than 1,000 events in one batch, and more bytes than gRPC takes, raise BatchTooLarge."""
    with pytest.raises(msgstate.BatchTooLarge, match="larger than any"):
        client.publish_batch([event("m", detail="d" * 9_000_000)])
    with pytest.raises(msgstate.BatchTooLarge):
        client.publish_batch([event("m")] * 1_001)


@pytest.mark.parametrize("retry", [True, False])
def test_a_server_that_is_away_is_told(connect: Connect, retry: bool) -> None:
    """Where no server answers, the call raises ServerUnavailable with the address and what to do, in time."""
    address = f"127.0.0.1:{free_port()}"

    with pytest.raises(msgstate.ServerUnavailable, match=rf"{address}.*msgstate serve") as raised:
        connect(address, timeout=1, retry=retry).get_status("m")

    assert (StatusCode.UNAVAILABLE, "", None) == (raised.value.code, raised.value.reason, raised.value.retry_after)


def test_a_silent_server_costs_no_more_than_the_deadline(connect: Connect) -> None:
    """A server that accepts the connection and says nothing raises DeadlineExceeded, a TimeoutError, in time."""
    with silent_server() as address:
        client = connect(address)
        with pytest.raises(TimeoutError, match="did not answer in time") as raised:
            client.get_status("m", timeout=0.3)

    assert isinstance(raised.value, msgstate.DeadlineExceeded)


def test_a_dead_address_is_passed_over(connect: Connect, shared_server: ServerProcess) -> None:
    """Of several addresses one that is dead costs no call more than the attempt."""
    for _ in range(4):
        client = connect(f"127.0.0.1:{free_port()}", shared_server.grpc, f"127.0.0.1:{free_port()}", timeout=30)
        for _ in range(5):
            # Shorter than an attempt to connect may take.
            client.publish_batch([], timeout=2)


def test_a_call_outlives_a_restart(connect: Connect, own_server: ServerProcess) -> None:
    """A call while the server is down is tried again until it is up."""
    client = connect(own_server.grpc, timeout=20)
    client.publish_batch([event("m", SENT)])
    own_server.kill()
    starting = threading.Timer(0.5, own_server.start)
    starting.start()

    status = client.get_status("m").status

    starting.join()
    assert State.STATE_SENT == status.state


def test_a_closed_client_says_so(connect: Connect, shared_server: ServerProcess) -> None:
    """A call after close raises ClientClosed, and closing again does no harm."""
    client = connect(shared_server.grpc)
    client.get_statuses([])
    client.close()

    with pytest.raises(msgstate.ClientClosed):
        client.get_status("m")
    client.close()


@pytest.mark.parametrize("silent", [True, False])
def test_close_ends_a_call_under_way(connect: Connect, silent: bool) -> None:
    """Close, from another thread, ends a call that waits for an answer or for its next try."""
    with silent_server() as address:
        client = connect(address if silent else f"127.0.0.1:{free_port()}", timeout=30)
        closing = threading.Timer(0.3, client.close)
        closing.start()
        with pytest.raises(msgstate.ClientClosed):
            client.get_status("m")
        closing.join()


def test_watch_and_publish_take_a_timeout_of_their_own(connect: Connect) -> None:
    """A server that never answers ends them after their own timeout, not after the client's."""
    with silent_server() as address:
        client = connect(address, timeout=600)
        with pytest.raises(TimeoutError), client.watch(timeout=0.3):
            pass
        with pytest.raises(TimeoutError), client.watch_events(timeout=0.3):
            pass
        with pytest.raises(TimeoutError):
            client.publish([event("m")], timeout=0.3)
