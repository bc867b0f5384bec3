"""Asking for many messages at once over a real channel."""

import grpc
import pytest

from msgstate.v1 import event_pb2, status_pb2
from msgstate.v1 import message_status_service_pb2 as pb
from tests.rpc.running import DEADLINE, Client
from tests.rpc.samples import BOUNCED, DELIVERED, SENT, event, told

pytestmark = pytest.mark.asyncio(loop_scope="session")

MEBIBYTE = 1_048_576
NOT_FOUND, INVALID = grpc.StatusCode.NOT_FOUND.value[0], grpc.StatusCode.INVALID_ARGUMENT.value[0]
FAILED_PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION.value[0]
TOO_LARGE = (grpc.StatusCode.RESOURCE_EXHAUSTED.value[0], "RESPONSE_TOO_LARGE")
Key = pb.MessageKey


async def batch(client: Client, *keys: pb.MessageKey) -> pb.BatchGetMessageStatusesResponse:
    """Ask for many messages; every answer keeps within its size and in the keys' order."""
    request = pb.BatchGetMessageStatusesRequest(keys=keys)
    response = await client.statuses.BatchGetMessageStatuses(request, timeout=DEADLINE)
    assert response.ByteSize() <= MEBIBYTE
    assert len(response.results) == len(keys)
    return response


def error(result: pb.BatchGetMessageStatusesResult) -> tuple[int, str]:
    """The code and the reason of a key that has no status."""
    assert result.WhichOneof("result") == "error"
    return result.error.code, result.error.reason


async def test_every_key_has_its_answer(shared: Client) -> None:
    """Statuses are those of the single call, errors come with its code and reason, and keys as they were asked."""
    named = event("batch-1", DELIVERED)
    named.aliases.append("batch-alias")
    published = await shared.publish(
        named,
        event("batch-2", BOUNCED, detail="why"),
        event("batch-two", provider="a"),
        event("batch-two", provider="b"),
    )
    keys = [
        Key(message_id="batch-2"),
        Key(message_id="<batch-1>"),
        Key(message_id="batch-none", provider="shop"),
        Key(message_id="batch-alias"),
        Key(message_id="batch-two"),
        Key(message_id="batch-two", provider="b"),
        Key(message_id=""),
        Key(message_id="batch-2"),
    ]
    response = await batch(shared, *keys)

    assert [result.key for result in response.results] == keys
    for result in response.results:
        if result.WhichOneof("result") == "status":
            single = await shared.status(result.key.message_id, result.key.provider)
            assert result.status == single.status
    assert [result.WhichOneof("result") for result in response.results].count("status") == 5
    none, two, empty = (response.results[index] for index in (2, 4, 6))
    assert error(none) == (NOT_FOUND, "MESSAGE_NOT_FOUND")
    assert none.error.message == "no message of provider 'shop' has the id or alias 'batch-none'"
    assert error(two) == (FAILED_PRECONDITION, "MESSAGE_AMBIGUOUS")
    assert dict(two.error.metadata) == {"message_1": "a/batch-two", "message_2": "b/batch-two"}
    assert error(empty) == (INVALID, "INVALID_REQUEST")
    assert empty.error.message.startswith("keys[6].message_id: must not be empty")
    assert response.resume_token == published.resume_token


async def test_five_recipients_each(shared: Client) -> None:
    """Of more than five the first are told, and state and counts are of all."""
    await shared.publish(*(event("batch-many", SENT, recipient=f"{number}@x") for number in range(8)))
    await shared.publish(event("batch-many", BOUNCED, recipient="7@x"))
    (result,) = (await batch(shared, Key(message_id="batch-many"))).results

    status = result.status
    assert [recipient.recipient for recipient in status.recipients] == [f"{number}@x" for number in range(5)]
    assert (status.recipients_truncated, status.state) == (True, status_pb2.STATE_FAILED)
    assert [(count.state, count.count) for count in status.state_counts] == [
        (status_pb2.STATE_SENT, 7),
        (status_pb2.STATE_FAILED, 1),
    ]


async def test_no_keys_have_no_answers(shared: Client) -> None:
    """An empty batch is answered, with a token."""
    assert (await batch(shared)).resume_token == (await shared.publish()).resume_token


async def test_more_than_500_keys_are_refused_whole(shared: Client) -> None:
    """BATCH_TOO_LARGE names the limit."""
    assert len((await batch(shared, *[Key(message_id="m")] * 500)).results) == 500
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await batch(shared, *[Key(message_id="m")] * 501)

    assert told(raised.value) == (grpc.StatusCode.INVALID_ARGUMENT, "BATCH_TOO_LARGE", "msgstate", {}, [], None)
    assert "must be at most 500; found 501" in (raised.value.details() or "")


def largest(message_id: str, number: int) -> event_pb2.Event:
    """An event that leaves a status as large as may be."""
    large = event(message_id, BOUNCED, recipient=f"{number}".ljust(998, "r"), detail="d" * 2_048, provider="p" * 64)
    large.aliases.extend(f"{number}-{index}".ljust(998, "a") for index in range(12))
    return large


async def test_what_does_not_fit_says_so_and_the_rest_is_whole(shared: Client) -> None:
    """Statuses of 70 KiB fill the answer; those that no longer fit are named, smaller ones behind them still come."""
    large = [f"large-{number}" for number in range(20)]
    for message_id in large:
        await shared.publish(*(largest(message_id, number) for number in range(5)))
    await shared.publish(event("small"))
    response = await batch(shared, *(Key(message_id=name) for name in large), Key(message_id="small"))

    kinds = [result.WhichOneof("result") for result in response.results]
    fitting = kinds.index("error")
    assert kinds == ["status"] * fitting + ["error"] * (20 - fitting) + ["status"]
    assert {error(result) for result in response.results[fitting:20]} == {TOO_LARGE}
    assert response.ByteSize() > MEBIBYTE * 0.9
    for result in response.results[:fitting]:
        assert result.status == (await shared.status(result.key.message_id)).status


async def test_the_largest_keys_that_are_all_ambiguous_fit(shared: Client) -> None:
    """Of 500 keys of 998 bytes, whose errors would take ten times the room, the first say all."""
    ids = [f"{number:03}".ljust(998, "m") for number in range(500)]
    for start in range(0, 500, 100):
        events = [event(name, provider=provider) for name in ids[start : start + 100] for provider in ("a", "b")]
        await shared.publish(*events)
    response = await batch(shared, *(Key(message_id=name) for name in ids))

    assert [result.key.message_id for result in response.results] == ids
    errors = [error(result) for result in response.results]
    ambiguous = errors.count((FAILED_PRECONDITION, "MESSAGE_AMBIGUOUS"))
    assert 0 < ambiguous < 500
    assert errors.count(TOO_LARGE) == 500 - ambiguous
    assert "request it alone" in response.results[-1].error.message


@pytest.mark.parametrize("length", [998, 1_040])
async def test_the_largest_malformed_keys_fit(shared: Client, length: int) -> None:
    """Whatever a key holds, it has an answer; of a text longer than an id may be, its first 998 bytes are told."""
    keys = [Key(message_id=f"{number:03}".ljust(length, "m"), provider="é" * (length // 2)) for number in range(500)]
    response = await batch(shared, *keys)

    assert [result.key.message_id for result in response.results] == [key.message_id[:998] for key in keys]
    assert {result.key.provider for result in response.results} == {"é" * 499}
    reasons = {error(result) for result in response.results}
    assert reasons <= {(NOT_FOUND, "MESSAGE_NOT_FOUND"), (INVALID, "INVALID_REQUEST"), TOO_LARGE}
