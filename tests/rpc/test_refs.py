"""Messages are asked for, listed and watched by the sender's own id."""

import asyncio

import grpc
import pytest

from msgstate.v1 import message_status_service_pb2 as pb
from msgstate.v1.event_pb2 import Event, EventType
from msgstate.v1.status_pb2 import STATE_DELIVERED, STATE_FAILED, STATE_QUEUED
from tests.rpc.running import Client, following
from tests.rpc.samples import ACCEPTED, BOUNCED, DELIVERED, event, told

pytestmark = pytest.mark.asyncio(loop_scope="session")

INVALID_ARGUMENT, FAILED_PRECONDITION, NOT_FOUND = (
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.NOT_FOUND,
)


def named(
    message_id: str, kind: EventType.ValueType, ref: str = "order-7", recipient: str = "a@x", **fields: str
) -> Event:
    each = event(message_id, kind, recipient=recipient, **fields)  # type: ignore[arg-type]
    each.message_ref = ref
    return each


async def by_ref(client: Client, ref: str, **fields: str) -> pb.GetMessageStatusResponse:
    return await client.statuses.GetMessageStatus(pb.GetMessageStatusRequest(message_ref=ref, **fields))


async def test_the_senders_and_the_providers_message_are_one(client: Client) -> None:
    """ACCEPTED under the sender's own id and what the provider reports are one message, under the provider's id."""
    await client.publish(named("order-7", ACCEPTED), named("em-1", DELIVERED))
    status = (await by_ref(client, " <order-7> ")).status
    assert (status.message_id, status.state, status.message_ref) == ("em-1", STATE_DELIVERED, "order-7")
    assert list(status.message_ids) == ["order-7", "em-1"]
    assert [(each.recipient, each.version, list(each.message_refs)) for each in status.recipients] == [
        ("a@x", 2, ["order-7"])
    ]
    assert [(count.state, count.count) for count in status.state_counts] == [(STATE_DELIVERED, 1)]


async def test_lists_and_history_by_ref(client: Client) -> None:
    """A list by ref has each folded recipient once, held against the other filters, and the history all events."""
    await client.publish(
        named("order-7", ACCEPTED),
        named("order-7", ACCEPTED, recipient="b@x"),
        named("em-1", DELIVERED),
        event("em-1", BOUNCED, recipient="a@x"),
        named("em-2", DELIVERED, ref="other"),
    )

    async def listed(**wanted: object) -> list[tuple[str, int]]:
        filters = pb.MessageStatusFilter(message_ref="order-7", **wanted)  # type: ignore[arg-type]
        page = await client.statuses.ListMessageStatuses(pb.ListMessageStatusesRequest(filter=filters))
        return [(each.recipient, each.state) for each in page.recipient_statuses]

    assert await listed() == [("b@x", STATE_QUEUED), ("a@x", STATE_FAILED)]
    assert await listed(states=[STATE_QUEUED]) == [("b@x", STATE_QUEUED)]
    assert await listed(message_id="em-1") == [("a@x", STATE_FAILED)]
    first = await client.statuses.ListMessageStatuses(
        pb.ListMessageStatusesRequest(filter=pb.MessageStatusFilter(message_ref="order-7"), page_size=1)
    )
    second = await client.statuses.ListMessageStatuses(
        pb.ListMessageStatusesRequest(
            filter=pb.MessageStatusFilter(message_ref="order-7"), page_size=1, page_token=first.next_page_token
        )
    )
    assert [each.recipient for each in (*first.recipient_statuses, *second.recipient_statuses)] == ["b@x", "a@x"]
    assert second.next_page_token == ""
    history = await client.statuses.GetMessageHistory(pb.GetMessageHistoryRequest(message_ref="order-7"))
    assert [(entry.position, entry.event.message_id) for entry in history.entries] == [
        (1, "order-7"),
        (2, "order-7"),
        (3, "em-1"),
        (4, "em-1"),
    ]
    assert {tuple(entry.message_refs) for entry in history.entries} == {("order-7",)}


async def test_batches_take_refs(client: Client) -> None:
    """A batch answers ids and refs beside each other, and says what is wrong with each."""
    await client.publish(named("order-7", ACCEPTED), named("em-1", DELIVERED))
    keys = [
        pb.MessageKey(message_ref="order-7"),
        pb.MessageKey(message_id="order-7"),
        pb.MessageKey(message_ref="none"),
        pb.MessageKey(message_id="em-1", message_ref="order-7"),
    ]
    response = await client.statuses.BatchGetMessageStatuses(pb.BatchGetMessageStatusesRequest(keys=keys))
    found = [result.status.state or result.error.reason for result in response.results]
    assert found == [STATE_DELIVERED, STATE_QUEUED, "MESSAGE_NOT_FOUND", "INVALID_REQUEST"]


async def test_what_is_wrong_with_a_ref_is_said(client: Client) -> None:
    """An unknown ref, one of several providers, and an id beside a ref are refused with the reason."""
    await client.publish(named("m", ACCEPTED, provider="one"), named("m", ACCEPTED, provider="two"))
    for fields, expected in (
        ({"message_ref": "none"}, (NOT_FOUND, "MESSAGE_NOT_FOUND")),
        ({"message_ref": "order-7"}, (FAILED_PRECONDITION, "MESSAGE_AMBIGUOUS")),
        ({"message_ref": "order-7", "message_id": "m"}, (INVALID_ARGUMENT, "INVALID_REQUEST")),
        ({"message_ref": "<>"}, (INVALID_ARGUMENT, "INVALID_REQUEST")),
        ({"message_ref": "order-7", "provider": "one", "recipient": "c@x"}, (NOT_FOUND, "MESSAGE_NOT_FOUND")),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await client.statuses.GetMessageStatus(pb.GetMessageStatusRequest(**fields))
        assert told(raised.value)[:2] == expected
    assert (await by_ref(client, "order-7", provider="two")).status.provider == "two"


async def test_a_watch_by_ref_sees_the_transitions_of_all_parts(client: Client) -> None:
    """Past and coming transitions of every part come with both ids, and none of other messages."""
    await client.publish(named("order-7", ACCEPTED), event("other", ACCEPTED), named("em-1", ACCEPTED))
    request = pb.WatchTransitionsRequest(
        start_point=pb.START_POINT_EARLIEST, filter=pb.TransitionFilter(message_refs=["order-7"])
    )
    call = client.statuses.WatchTransitions(request)
    seen: list[tuple[int, str, list[str]]] = []
    async with asyncio.timeout(20):
        while len(seen) < 3:
            response = await following(call)
            seen += [(each.position, each.message_id, list(each.message_refs)) for each in response.transitions]
            if len(seen) == 2 and not response.transitions:
                continue
            if len(seen) == 2:
                await client.publish(event("other", DELIVERED), event("em-1", DELIVERED, recipient="a@x"))
    call.cancel()
    assert seen == [(1, "order-7", ["order-7"]), (3, "em-1", ["order-7"]), (5, "em-1", ["order-7"])]


async def test_lists_and_watches_filter_by_account_and_metadata(client: Client) -> None:
    """An account, and one pair of metadata, are those of the recipient, whichever event brought them."""
    first, second = event("m-1", ACCEPTED), event("m-2", ACCEPTED)
    first.metadata.update({"account": "eu", "tag": "welcome"})
    second.metadata.update({"account": "us", "tag": "welcome"})
    await client.publish(first, second, event("m-1", DELIVERED))

    async def listed(**wanted: object) -> list[str]:
        filters = pb.MessageStatusFilter(**wanted)  # type: ignore[arg-type]
        page = await client.statuses.ListMessageStatuses(pb.ListMessageStatusesRequest(filter=filters))
        return [each.message_id for each in page.recipient_statuses]

    assert await listed(account="eu") == ["m-1"]
    assert await listed(metadata={"tag": "welcome"}) == ["m-2", "m-1"]
    assert await listed(account="us", metadata={"tag": "welcome"}) == ["m-2"]
    assert await listed(metadata={"tag": "other"}) == []
    call = client.statuses.WatchTransitions(
        pb.WatchTransitionsRequest(
            start_point=pb.START_POINT_EARLIEST, filter=pb.TransitionFilter(account="eu", metadata={"tag": "welcome"})
        )
    )
    seen: list[int] = []
    async with asyncio.timeout(20):
        while len(seen) < 2:
            seen += [each.position for each in (await following(call)).transitions]
    call.cancel()
    assert seen == [1, 3]
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await listed(metadata={"a": "1", "b": "2"})
    assert "filter.metadata" in str(raised.value.details())


async def test_a_ref_of_very_many_providers_names_ten_of_them(client: Client) -> None:
    """However many providers share a ref, the error names ten, so that it fits where errors travel."""
    await client.publish(*(named("m", ACCEPTED, provider=f"provider-{number:03}") for number in range(300)))
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await by_ref(client, "order-7")
    assert told(raised.value)[:2] == (FAILED_PRECONDITION, "MESSAGE_AMBIGUOUS")
    assert str(raised.value.details()).count("provider-") == 10
