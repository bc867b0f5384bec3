"""Quarantine and kept bodies, over a server that took webhooks in."""

import base64
import json
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import pytest

import msgstate
from msgstate import Client
from msgstate.v1.admin_service_pb2 import QuarantinedPayload
from tests.acceptance.server_process import ServerProcess
from tests.client.samples import event


def delivered(message_id: str) -> dict[str, Any]:
    """A part of a webhook that is understood."""
    told = {"object": "email", "id": message_id, "to": "a@x.example"}
    return {"type": "email.delivered", "object": "event", "data": {"object": told}}


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


def position(client: Client, message_id: str) -> int:
    """That of the message's only event."""
    (entry,) = client.get_history(message_id)
    return entry.position


@pytest.fixture
def body(shared_server: ServerProcess, message_id: str) -> bytes:
    """A webhook that the server took in and understood in one of its two parts."""
    return post(shared_server, [delivered(message_id), {"type": "email.delivered"}])


@pytest.fixture
def kept(client: Client, body: bytes) -> QuarantinedPayload:
    """What is in quarantine of it."""
    newest = next(client.list_quarantine())
    assert body == client.get_quarantined(newest.id).body
    return newest


def test_quarantine_is_listed_and_shown(
    client: Client, shared_server: ServerProcess, kept: QuarantinedPayload, body: bytes, message_id: str
) -> None:
    """What could not be understood is listed newest first, and shown with what is understood of it and its body."""
    post(shared_server, [{"type": "email.bounced", "id": message_id}])

    newest, first = islice(client.list_quarantine(page_size=1), 2)
    shown = client.get_quarantined(kept.id)

    assert ["emailit", "emailit"] == [newest.provider, first.provider]
    assert (kept, kept, body) == (first, shown.payload, shown.body)
    assert ["/1"] == [problem.pointer for problem in first.problems]
    (found,) = shown.events
    assert ("/0", message_id, position(client, message_id)) == (found.pointer, found.event.message_id, found.position)
    assert [] == list(client.list_quarantine("cloudmailin"))


def test_a_replay_says_what_each_part_became(client: Client, kept: QuarantinedPayload, message_id: str) -> None:
    """A replay tells each part's position or problem, and an id that is not there has its error in its place."""
    found, missing = client.replay_quarantined([kept.id, kept.id + 100]).results

    assert [position(client, message_id)] == [result.position for result in found.results]
    assert ["/1"] == [problem.pointer for problem in found.problems]
    assert isinstance(msgstate.error_of(missing.error), msgstate.QuarantinedNotFound)


def test_what_is_discarded_is_gone(client: Client, kept: QuarantinedPayload) -> None:
    """Discarding says how many were there; what is gone raises QuarantinedNotFound."""
    assert [1, 0] == [client.discard_quarantined([kept.id]), client.discard_quarantined([kept.id])]
    assert kept.id not in [payload.id for payload in client.list_quarantine(include_replayed=True)]
    with pytest.raises(msgstate.QuarantinedNotFound):
        client.get_quarantined(kept.id)


def test_the_body_of_an_event_is_kept(client: Client, body: bytes, message_id: str) -> None:
    """The body that brought an event is given whole, with when it came; one that is not kept raises PayloadNotFound."""
    payload = client.get_payload(position(client, message_id))

    assert ("emailit", body) == (payload.provider, payload.body)
    assert abs((datetime.now(UTC) - payload.received_time).total_seconds()) < 60
    client.publish_batch([event(f"{message_id}-rpc")])
    with pytest.raises(msgstate.PayloadNotFound):
        client.get_payload(position(client, f"{message_id}-rpc"))


@pytest.mark.parametrize(
    "call",
    [lambda client: client.replay_quarantined(range(1, 102)), lambda client: client.discard_quarantined(range(1, 102))],
    ids=["replay", "discard"],
)
def test_too_many_ids_are_told(client: Client, call: Callable[[Client], object]) -> None:
    """More than 100 ids raise BatchTooLarge."""
    with pytest.raises(msgstate.BatchTooLarge):
        call(client)
