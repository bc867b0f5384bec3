"""How a message is named when its status is asked for: by id, alias, provider and recipient."""

import grpc
import pytest

from msgstate.v1 import status_pb2
from tests.rpc.running import Client
from tests.rpc.samples import BOUNCED, DELIVERED, SENT, TRAILER_BYTES, event, told, trailer_bytes

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOT_FOUND = grpc.StatusCode.NOT_FOUND
AMBIGUOUS = (grpc.StatusCode.FAILED_PRECONDITION, "MESSAGE_AMBIGUOUS")


@pytest.mark.parametrize("asked", ["B@Example.COM", "  B@example.com ", "Bea <B@example.com>", "<B@example.com>"])
async def test_one_recipient_can_be_asked_for(shared: Client, asked: str) -> None:
    """State, counts and recipients are then that one's alone; the address may be spelled as mail does."""
    await shared.publish(
        event("pair", BOUNCED, recipient="a@example.com"), event("pair", DELIVERED, recipient="b@example.com")
    )
    status = (await shared.status("pair", recipient=asked)).status

    assert [recipient.recipient for recipient in status.recipients] == ["b@example.com"]
    assert status.state == status_pb2.STATE_DELIVERED
    assert [(count.state, count.count) for count in status.state_counts] == [(status_pb2.STATE_DELIVERED, 1)]


@pytest.mark.parametrize(
    ("message_id", "recipient"),
    [("pair-none", ""), ("pair", "c@example.com"), ("PAIR", "")],
)
async def test_what_is_not_there_is_not_found(shared: Client, message_id: str, recipient: str) -> None:
    """An unknown message, and a known one without this recipient, are NOT_FOUND; ids have a case."""
    await shared.publish(event("pair", recipient="a@example.com"), event("pair", recipient="B@example.com"))

    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await shared.status(message_id, recipient=recipient)

    assert told(raised.value)[:3] == (NOT_FOUND, "MESSAGE_NOT_FOUND", "msgstate")


async def test_aliases_and_brackets_find_the_message(shared: Client) -> None:
    """A message is found by its id and by each alias, in angle brackets or not."""
    named = event("<alias-m1>", DELIVERED)
    named.aliases.extend(["<alias-token>", "alias-4711"])
    await shared.publish(named)

    for asked in ("alias-m1", "<alias-m1>", "alias-token", "<alias-token>", "alias-4711", "<alias-4711>"):
        status = (await shared.status(asked)).status
        assert (status.message_id, list(status.aliases)) == ("alias-m1", ["alias-4711", "alias-token"])


async def test_an_exact_id_wins_over_an_alias(shared: Client) -> None:
    """Where one message's id is another's alias, the id decides."""
    other = event("exact-other")
    other.aliases.append("exact")
    other.recipient = "b@x"
    await shared.publish(other, event("exact", SENT, recipient="a@x"))

    assert (await shared.status("exact")).status.message_id == "exact"
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await shared.status("exact", recipient="b@x")
    assert told(raised.value).reason == "MESSAGE_NOT_FOUND"


async def test_an_id_of_two_providers_is_ambiguous_until_one_is_named(shared: Client) -> None:
    """The error names the messages; with the provider each is found."""
    await shared.publish(event("two", provider="a"), event("two", SENT, provider="b"))

    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await shared.status("two")

    error = told(raised.value)
    assert error[:2] == AMBIGUOUS
    assert sorted(error.metadata.values()) == ["a/two", "b/two"]
    assert (await shared.status("two", provider="b")).status.state == status_pb2.STATE_SENT
    assert (await shared.status("two", provider="a")).status.provider == "a"


async def test_an_alias_of_many_messages_names_up_to_ten(shared: Client) -> None:
    """Ten of twelve messages are named, also where ids are as long as they may be."""
    for length in (1, 900):
        events = [event(f"{number:02}" + "m" * length) for number in range(12)]
        for each in events:
            each.aliases.append(f"campaign-{length}")
        await shared.publish(*events)

    for length in (1, 900):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await shared.status(f"campaign-{length}")
        error = told(raised.value)
        assert error[:2] == AMBIGUOUS
        assert 1 <= len(error.metadata) <= 10
        assert all(value.startswith("shop/") for value in error.metadata.values())
        assert len(error.metadata) == 10 or length > 1
        assert trailer_bytes(raised.value) <= TRAILER_BYTES
