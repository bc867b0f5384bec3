"""Webhooks from quarantine read again and thrown away, over a real channel."""

import asyncio
from collections.abc import Awaitable

import grpc
import pytest

from msgstate.v1 import admin_service_pb2 as pb
from msgstate.v1 import event_service_pb2, status_pb2
from msgstate_server.app import Service
from msgstate_server.domain.errors import StoreUnavailable
from tests.rpc.quarantining import RECEIVED, body, discard, listed, quarantine, replay, show
from tests.rpc.running import Client
from tests.rpc.samples import Told, event, told

pytestmark = pytest.mark.asyncio(loop_scope="session")

TAKEN = event_service_pb2.DISPOSITION_ACCEPTED
DUPLICATE = event_service_pb2.DISPOSITION_DUPLICATE
NOT_FOUND = grpc.StatusCode.NOT_FOUND.value[0]
AWAY = Told(grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE", "msgstate", {}, [], 1.0)
DRAINING = Told(grpc.StatusCode.UNAVAILABLE, "DRAINING", "msgstate", {}, [], 1.0)


async def refused(asked: Awaitable[object]) -> Told:
    """The error with which a call is answered."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await asked
    return told(raised.value)


def outcomes(result: pb.ReplayResult) -> list[tuple[str, int, int]]:
    """What became of each event."""
    return [(each.pointer, each.disposition, each.position) for each in result.results]


async def test_replay_publishes_what_is_understood(service: Service, client: Client) -> None:
    """Each event has its part of the body and its place; the message is as it would have been when it came."""
    (kept,) = await quarantine(service, body("m", "dispatch", "bounce"), account="shop")

    (result,) = await replay(client, kept)

    assert (result.id, outcomes(result)) == (kept, [("/events/0", TAKEN, 1), ("/events/1", TAKEN, 2)])
    assert (list(result.problems), result.HasField("error")) == ([], False)
    (recipient,) = (await client.status("m")).status.recipients
    assert recipient.state == status_pb2.STATE_FAILED
    assert recipient.failed_time.ToMicroseconds() == RECEIVED
    assert await listed(client) == []
    assert await listed(client, include_replayed=True) == [kept]


async def test_replay_says_what_is_still_not_understood(service: Service, client: Client) -> None:
    """The good parts are published, the others stay listed with the reasons of this reading."""
    (kept,) = await quarantine(service, body("m", "dispatch", "bad", "open"))

    (result,) = await replay(client, kept)

    assert outcomes(result) == [("/events/0", TAKEN, 1), ("/events/2", TAKEN, 2)]
    (problem,) = result.problems
    assert (problem.pointer, "`message_id` is" in problem.reason) == ("/events/1", True)
    assert await listed(client) == [kept]
    assert list((await show(client, kept)).payload.problems) == [problem]


async def test_replay_again_gives_the_same_answer(service: Service, client: Client) -> None:
    """All are duplicates at the same positions, in one call and in several; the log does not move."""
    (kept,) = await quarantine(service, body("m", "dispatch", "open", "bad"))

    first, again = await replay(client, kept, kept)
    (third,) = await replay(client, kept)

    assert [disposition for _, disposition, _ in outcomes(first)] == [TAKEN, TAKEN]
    same = [(pointer, DUPLICATE, position) for pointer, _, position in outcomes(first)]
    assert outcomes(again) == outcomes(third) == same
    assert list(first.problems) == list(again.problems) == list(third.problems)
    assert service._store.head.position == 2  # noqa: SLF001


async def test_replay_of_ids_that_are_not_there(service: Service, client: Client) -> None:
    """Each has its error in its place, and the others go on."""
    one, gone, other = await quarantine(service, body("m1", "open"), body("m2", "open"), body("m3", "open"))
    assert await discard(client, gone) == 1

    results = await replay(client, one, gone, 999, other)

    assert [result.id for result in results] == [one, gone, 999, other]
    assert [len(result.results) for result in results] == [1, 0, 0, 1]
    errors = [result.error for result in results if result.HasField("error")]
    assert [(error.code, error.reason) for error in errors] == [(NOT_FOUND, "QUARANTINED_NOT_FOUND")] * 2
    with pytest.raises(grpc.aio.AioRpcError, match="NOT_FOUND"):
        await client.status("m2")


async def test_replay_of_nothing(client: Client) -> None:
    """Without ids nothing is replayed or discarded."""
    assert await replay(client) == []
    assert await discard(client) == 0


async def test_replay_of_an_unknown_provider(service: Service, client: Client) -> None:
    """What another version took in stays as it is, and the answer says why."""
    (kept,) = await quarantine(service, body("m", "open"), provider="newer")
    before = await show(client, kept)

    (result,) = await replay(client, kept)

    assert (list(result.results), result.HasField("error")) == ([], False)
    unknown, *stored = result.problems
    assert (unknown.pointer, unknown.reason) == ("", "this version of msgstate does not know the provider 'newer'")
    assert stored == list(before.payload.problems)
    assert await show(client, kept) == before


async def test_replays_at_once(service: Service, client: Client) -> None:
    """Many callers that replay the same webhooks publish each event once."""
    ids = await quarantine(service, *(body(f"m{number}", "dispatch", "open") for number in range(20)))

    answers = await asyncio.gather(*(replay(client, *ids) for _ in range(5)))

    taken = [each for answer in answers for result in answer for each in outcomes(result) if each[1] == TAKEN]
    assert sorted(position for _, _, position in taken) == list(range(1, 41))
    assert await listed(client) == []


async def test_replay_beside_discard(service: Service, client: Client) -> None:
    """A webhook that is discarded while it is replayed does not come back, and is replayed in whole or not at all."""
    ids = await quarantine(service, *(body(f"m{number}", "dispatch", "bad") for number in range(60)))

    answer, discarded = await asyncio.gather(replay(client, *ids), discard(client, *ids[30:]))

    assert discarded == 30
    assert await listed(client, include_replayed=True) == ids[29::-1]
    published = sum(len(result.results) for result in answer)
    assert {len(result.results) for result in answer[:30]} == {1}
    assert {bool(result.results) or result.error.reason for result in answer[30:]} <= {True, "QUARANTINED_NOT_FOUND"}
    assert service._store.head.position == published  # noqa: SLF001


async def test_an_answer_that_is_full_says_what_was_not_replayed(service: Service, client: Client) -> None:
    """What has no room is left as it was, and asked for once more gives its result."""
    bodies = [body("m", "open", *["bad"] * 900, details=f"{number}") for number in range(50)]
    ids = await quarantine(service, *bodies)

    response = await client.admin.ReplayQuarantined(pb.ReplayQuarantinedRequest(ids=ids))

    assert response.ByteSize() < 1_048_576
    done = [result.id for result in response.results if result.results]
    left = [result.id for result in response.results if result.error.reason == "RESPONSE_TOO_LARGE"]
    assert done + left == ids
    assert len(done) > 10
    assert len(left) > 5
    assert service._store.head.position == len(done)  # noqa: SLF001
    assert [len(result.results) for result in await replay(client, *left)] == [1] * len(left)


async def test_discard_keeps_the_events(service: Service, client: Client) -> None:
    """Those that were there are counted and gone, what was published of them stands."""
    one, other = await quarantine(service, body("m1", "open"), body("m2", "open"))
    await replay(client, one)

    assert await discard(client, one, other, other, 999) == 2

    assert await listed(client, include_replayed=True) == []
    assert (await client.status("m1")).status.state == status_pb2.STATE_ENGAGED
    assert await discard(client, one, other) == 0


async def test_more_ids_than_one_call_may_have(shared: Client) -> None:
    """100 ids are good, one more is refused, and nothing is done."""
    assert len(await replay(shared, *range(1_000, 1_100))) == 100
    assert await discard(shared, *range(1_000, 1_100)) == 0
    for call in (replay(shared, *range(1, 102)), discard(shared, *range(1, 102))):
        error = await refused(call)
        assert error == Told(grpc.StatusCode.INVALID_ARGUMENT, "BATCH_TOO_LARGE", "msgstate", {}, [], None)


async def test_a_store_that_is_away(service: Service, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every rpc says to come again; then all of it is as it was."""
    (kept,) = await quarantine(service, body("m", "open"))

    async def away(*_: object) -> object:
        raise StoreUnavailable("the database cannot be written now; try the same again later")

    store = service._store  # noqa: SLF001
    with monkeypatch.context() as patched:
        patched.setattr(store, "append", away)
        assert await refused(replay(client, kept)) == AWAY
    with monkeypatch.context() as patched:
        for name in ("list_quarantine", "read_quarantined", "discard_quarantined"):
            patched.setattr(store, name, away)
        for call in (listed(client), show(client, kept), replay(client, kept), discard(client, kept)):
            assert await refused(call) == AWAY
    (result,) = await replay(client, kept)
    assert outcomes(result) == [("/events/0", TAKEN, 1)]


async def test_replay_while_the_service_drains(service: Service, client: Client) -> None:
    """Nothing is taken any more, and the webhook stays listed."""
    (kept,) = await quarantine(service, body("m", "open"))
    service._ingest.drain()  # noqa: SLF001
    assert await refused(replay(client, kept)) == DRAINING
    assert await listed(client) == [kept]


async def test_replay_waits_for_room_in_the_queue(
    service: Service, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the queue is full, a replay goes on once there is room."""
    ids = await quarantine(service, *(body(f"m{number}", "open") for number in range(3)))
    monkeypatch.setattr(service._ingest, "_queue_events", 1)  # noqa: SLF001
    publishing = [asyncio.create_task(client.publish(event(f"p{each}"))) for each in range(20)]
    assert [len(result.results) for result in await replay(client, *ids)] == [1, 1, 1]
    await asyncio.gather(*publishing)
