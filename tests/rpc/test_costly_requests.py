"""Requests that are made to take long: one client must not hold up the others."""

import asyncio
from collections.abc import Awaitable

import grpc
import pytest

from msgstate.v1 import event_service_pb2
from msgstate.v1 import message_status_service_pb2 as pb
from msgstate_server.domain.errors import InvalidRequest
from msgstate_server.domain.limits import BATCH_BYTES
from msgstate_server.ingest import RefusalLog
from msgstate_server.rpc.event_batches import admit_batch
from msgstate_server.rpc.list_requests import read_status_filter
from tests.rpc.running import DEADLINE, Client
from tests.rpc.samples import event, told

INVALID = grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize(
    ("method", "field"),
    [
        ("EventService/PublishEvents", "events"),
        ("EventService/StreamEvents", "events"),
        ("MessageStatusService/BatchGetMessageStatuses", "keys"),
    ],
)
async def test_a_batch_of_too_many_bytes_is_refused_before_it_is_decoded(
    shared: Client, method: str, field: str
) -> None:
    """Four million events or keys of no bytes are never made, which would take seconds and a gigabyte."""
    is_stream = method.endswith("StreamEvents")
    body = (b"\x12\x00" if is_stream else b"\x0a\x00") * 4_000_000
    path = f"/msgstate.v1.{method}"
    if not is_stream:
        answer: Awaitable[object] = shared.channel.unary_unary(path, bytes, bytes)(body, timeout=DEADLINE)
    else:
        answer = shared.channel.stream_stream(path, bytes, bytes)(iter([body]), timeout=DEADLINE).read()
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await answer

    assert told(raised.value)[:3] == (INVALID, "BATCH_TOO_LARGE", "msgstate")
    assert f"{field}: must be at most {BATCH_BYTES} bytes together; found {len(body)}" in (raised.value.details() or "")


def test_of_a_filter_of_millions_of_values_the_number_alone_is_told() -> None:
    """A list that is too long is one violation, and no value of it has one of its own."""
    wanted = pb.MessageStatusFilter.FromString(b"\x0a\x80\x89\x7a" + b"\x01" * 2_000_000)
    with pytest.raises(InvalidRequest, match="found 2000000") as refused:
        read_status_filter(wanted)

    assert len(refused.value.violations) == 1


async def test_of_a_list_that_is_too_long_only_the_first_are_looked_at() -> None:
    """Aliases and metadata beyond what an event may have make no more violations."""
    bad = event()
    bad.aliases.extend([""] * 300)
    for number in range(300):
        bad.metadata[f"{number}\0"] = ""

    batch = await admit_batch(event_service_pb2.PublishEventsRequest(events=[bad]), 0, RefusalLog())

    fields = [violation.field.removeprefix("events[0].") for violation in batch.refused[0]]
    assert fields == ["aliases", *(f"aliases[{index}]" for index in range(16)), *["metadata"] * 3]


async def test_others_have_their_turn_while_a_batch_is_looked_at() -> None:
    """However large a batch, what else waits goes on every 50 events."""
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(take_turns())
    batch = await admit_batch(event_service_pb2.PublishEventsRequest(events=[event()] * 500), 0, RefusalLog())
    other.cancel()
    assert len(batch.candidates) == 500
    assert turns >= 9
