"""A webhook that is not understood: over HTTP in, over gRPC looked at, replayed after a mend, thrown away."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from msgstate.v1 import event_pb2, event_service_pb2, status_pb2
from msgstate_server.domain.events import Event, EventType
from msgstate_server.webhooks.providers import PROVIDERS
from tests.rpc.quarantining import discard, listed, replay, show
from tests.rpc.running import DEADLINE, Client, connected, serving
from tests.webhooks.samples import cloudmailin_event

pytestmark = pytest.mark.asyncio(loop_scope="session")

TAKEN = event_service_pb2.DISPOSITION_ACCEPTED
DUPLICATE = event_service_pb2.DISPOSITION_DUPLICATE
READING = PROVIDERS["cloudmailin"]


class Running:
    """One service, over gRPC and over HTTP."""

    def __init__(self, grpc: Client, http: httpx.AsyncClient) -> None:
        self.grpc = grpc
        self._http = http

    async def post(self, *parts: object) -> tuple[int, int, int]:
        """Post a CloudMailin webhook; how many of its parts were new, doubled and not understood."""
        answer = await self._http.post(
            "/webhooks/cloudmailin", content=json.dumps({"events": parts}), auth=("hook", "secret")
        )
        assert answer.status_code == 200, answer.text
        counts = answer.json()
        return counts["accepted"], counts["duplicates"], counts["quarantined"]


@pytest_asyncio.fixture(loop_scope="session")
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    async with serving(tmp_path / "msgstate.db") as service, connected(service.grpc_address) as client:
        address = f"http://{service.http_address}"
        async with httpx.AsyncClient(base_url=address, timeout=DEADLINE, trust_env=False) as http:
            yield Running(client, http)


@pytest.fixture
def mend(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From the call on, CloudMailin's reading knows the field `id` too, and a word that it took for another."""

    def events(value: object, received_time: int) -> Sequence[Event]:
        assert isinstance(value, dict)
        read = READING.events({"message_id": value.get("id"), **value}, received_time)
        for event in read:
            if event.attributes.provider_type == "seen_by_person":
                event.type = EventType.READ
        return read

    return lambda: monkeypatch.setitem(PROVIDERS, "cloudmailin", READING._replace(events=events))


def nameless(kind: str, message_id: str) -> dict[str, str]:
    """A part that names its message in a field that is not documented."""
    return {"kind": kind, "recipient": "to@example.com", "id": message_id}


async def test_a_webhook_is_replayed_after_a_mend(running: Running, mend: Callable[[], None]) -> None:
    """Its good parts count at once, the mend brings the others, and a repeat changes nothing."""
    parts = [cloudmailin_event("dispatch"), nameless("bounce", "m"), nameless("seen_by_person", "m"), {"kind": "open"}]
    assert await running.post(*parts) == (1, 0, 3)
    (kept,) = await listed(running.grpc)
    before = await show(running.grpc, kept)
    assert [(each.pointer, each.position) for each in before.events] == [("/events/0", 1)]
    assert [problem.pointer for problem in before.payload.problems] == ["/events/1", "/events/2", "/events/3"]
    (unmended,) = await replay(running.grpc, kept)
    assert [(each.disposition, each.position) for each in unmended.results] == [(DUPLICATE, 1)]
    assert list(unmended.problems) == list(before.payload.problems)

    mend()
    shown = await show(running.grpc, kept)
    (result,) = await replay(running.grpc, kept)
    (again,) = await replay(running.grpc, kept)

    assert [(each.pointer, each.position) for each in shown.events] == [
        ("/events/0", 1),
        ("/events/1", 0),
        ("/events/2", 0),
    ]
    assert shown.events[2].event.type == event_pb2.EVENT_TYPE_READ
    assert [(each.pointer, each.disposition, each.position) for each in result.results] == [
        ("/events/0", DUPLICATE, 1),
        ("/events/1", TAKEN, 2),
        ("/events/2", TAKEN, 3),
    ]
    assert [(each.disposition, each.position) for each in again.results] == [(DUPLICATE, each) for each in (1, 2, 3)]
    assert [problem.pointer for problem in result.problems] == ["/events/3"]
    assert list(again.problems) == list(result.problems)
    (recipient,) = (await running.grpc.status("m")).status.recipients
    assert (recipient.state, recipient.engaged_time) == (status_pb2.STATE_FAILED, before.payload.received_time)
    assert await listed(running.grpc) == [kept]


async def test_a_webhook_that_comes_again(running: Running, mend: Callable[[], None]) -> None:
    """Replayed in whole it is listed no more; to an older reading, of another replica, it is what it was."""
    assert await running.post(nameless("delivery", "m")) == (0, 0, 1)
    (kept,) = await listed(running.grpc)
    mend()
    (result,) = await replay(running.grpc, kept)
    assert [each.disposition for each in result.results] == [TAKEN]
    assert await listed(running.grpc) == []
    assert await running.post(nameless("delivery", "m")) == (0, 1, 0)
    assert await listed(running.grpc) == []
    with pytest.MonkeyPatch.context() as older:
        older.setitem(PROVIDERS, "cloudmailin", READING)
        assert await running.post(nameless("delivery", "m")) == (0, 0, 1)
    assert await listed(running.grpc) == [kept]
    assert [each.position for each in (await replay(running.grpc, kept))[0].results] == [1]
    assert await listed(running.grpc) == []


async def test_a_webhook_that_is_discarded_may_come_again(running: Running) -> None:
    """What is thrown away is gone, and is kept under a new id where the provider sends it once more."""
    await running.post(nameless("delivery", "m"))
    (kept,) = await listed(running.grpc)
    assert await discard(running.grpc, kept) == 1
    assert await listed(running.grpc, include_replayed=True) == []
    await running.post(nameless("delivery", "m"))
    assert [each > kept for each in await listed(running.grpc)] == [True]
