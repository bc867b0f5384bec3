"""Quarantine and kept bodies, over a server that took webhooks in."""

import base64
import json
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

import msgstate
from msgstate import Client
from tests.acceptance.server_process import ServerProcess
from tests.client.conftest import Connect

BODY = [
    {
        "type": "email.delivered",
        "object": "event",
        "data": {"object": {"object": "email", "id": "em-1", "to": "a@x.example"}},
    },
    {"type": "email.delivered"},
]


def post(server: ServerProcess, body: Any) -> bytes:
    """Post a webhook of Emailit's; gives the body as it was sent."""
    data = json.dumps(body).encode()
    credentials = base64.b64encode(b"hook:secret").decode()
    request = urllib.request.Request(
        f"http://{server.http}/webhooks/emailit",
        data,
        {"Authorization": f"Basic {credentials}", "Content-Type": "application/json"},
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
        assert 200 == answer.status
    return data


@pytest.fixture
def body(own_server: ServerProcess) -> bytes:
    """A webhook that the server took in and understood in one of its two parts."""
    return post(own_server, BODY)


@pytest.fixture
def client(connect: Connect, own_server: ServerProcess) -> Client:
    """A client of that server."""
    return connect(own_server.grpc)


def test_quarantine_is_listed_and_shown(client: Client, own_server: ServerProcess, body: bytes) -> None:
    """What could not be understood is listed newest first, and shown with what is understood of it and its body."""
    post(own_server, [{"type": "email.bounced"}])

    newest, first = client.list_quarantine(page_size=1)
    shown = client.get_quarantined(first.id)

    assert ["emailit", "emailit"] == [newest.provider, first.provider]
    assert ["/1"] == [problem.pointer for problem in first.problems]
    assert (first, body) == (shown.payload, shown.body)
    assert [("/0", "em-1", 1)] == [(found.pointer, found.event.message_id, found.position) for found in shown.events]
    assert [] == list(client.list_quarantine("cloudmailin"))


@pytest.mark.usefixtures("body")
def test_a_replay_says_what_each_part_became(client: Client) -> None:
    """A replay tells each part's position or problem, and an id that is not there has its error in its place."""
    (kept,) = client.list_quarantine()

    found, missing = client.replay_quarantined([kept.id, kept.id + 100]).results

    assert [1] == [result.position for result in found.results]
    assert ["/1"] == [problem.pointer for problem in found.problems]
    assert isinstance(msgstate.error_of(missing.error), msgstate.QuarantinedNotFound)


@pytest.mark.usefixtures("body")
def test_what_is_discarded_is_gone(client: Client) -> None:
    """Discarding says how many were there; what is gone raises QuarantinedNotFound."""
    (kept,) = client.list_quarantine()

    assert [1, 0] == [client.discard_quarantined([kept.id]), client.discard_quarantined([kept.id])]
    assert [] == list(client.list_quarantine(include_replayed=True))
    with pytest.raises(msgstate.QuarantinedNotFound):
        client.get_quarantined(kept.id)


def test_the_body_of_an_event_is_kept(client: Client, body: bytes) -> None:
    """The body that brought an event is given whole, with when it came; one that is not kept raises PayloadNotFound."""
    payload = client.get_payload(1)

    assert ("emailit", body) == (payload.provider, payload.body)
    assert abs((datetime.now(UTC) - payload.received_time).total_seconds()) < 60
    with pytest.raises(msgstate.PayloadNotFound):
        client.get_payload(2)


@pytest.mark.parametrize(
    "call",
    [lambda client: client.replay_quarantined(range(1, 102)), lambda client: client.discard_quarantined(range(1, 102))],
    ids=["replay", "discard"],
)
def test_too_many_ids_are_told(client: Client, call: Callable[[Client], object]) -> None:
    """More than 100 ids raise BatchTooLarge."""
    with pytest.raises(msgstate.BatchTooLarge):
        call(client)
