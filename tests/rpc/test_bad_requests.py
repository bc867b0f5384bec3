"""Requests that break a rule as a whole: each is answered with its code, and the service goes on."""

import random
from collections.abc import AsyncIterator, Awaitable

import grpc
import pytest
import pytest_asyncio
from google.protobuf.timestamp_pb2 import Timestamp

from msgstate.v1 import event_service_pb2
from msgstate.v1 import message_status_service_pb2 as pb
from tests.rpc.running import DEADLINE, Client
from tests.rpc.samples import ACCEPTED, TRAILER_BYTES, event, told, trailer_bytes
from tests.rpc.watching import Kind, watched

pytestmark = pytest.mark.asyncio(loop_scope="session")

INVALID = grpc.StatusCode.INVALID_ARGUMENT
PUBLISH = "/msgstate.v1.EventService/PublishEvents"
GET = "/msgstate.v1.MessageStatusService/GetMessageStatus"
WATCH = "/msgstate.v1.MessageStatusService/WatchTransitions"


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def _goes_on(shared: Client) -> AsyncIterator[None]:
    """After whatever was asked, the service takes events and answers."""
    yield
    await shared.publish(event("still"))
    assert (await shared.status("still")).status.message_id == "still"


async def refused(
    client: Client, request: pb.WatchTransitionsRequest | pb.GetMessageStatusRequest
) -> grpc.aio.AioRpcError:
    """The error with which a request is answered."""
    asked: Awaitable[object]
    if isinstance(request, pb.WatchTransitionsRequest):
        asked = client.watched(request, bool)
    else:
        asked = client.statuses.GetMessageStatus(request, timeout=DEADLINE)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await asked
    return raised.value


GETS = [
    ("no id", {}, ["message_id"]),
    ("id too long", {"message_id": "m" * 5_000}, ["message_id"]),
    ("NUL in id", {"message_id": "m\0"}, ["message_id"]),
    ("provider too long", {"message_id": "m", "provider": "p" * 999}, ["provider"]),
    ("recipient too long", {"message_id": "m", "recipient": "r" * 999}, ["recipient"]),
    ("brackets alone", {"message_id": "<>"}, ["message_id"]),
    ("all of them", {"message_id": "\0", "provider": "\0", "recipient": "\0"}, ["message_id", "provider", "recipient"]),
]


@pytest.mark.parametrize(("fields", "expected"), [row[1:] for row in GETS], ids=[row[0] for row in GETS])
async def test_a_malformed_look_up_is_refused(shared: Client, fields: dict[str, str], expected: list[str]) -> None:
    """Each broken field is named."""
    error = told(await refused(shared, pb.GetMessageStatusRequest(**fields)))

    assert error == (INVALID, "INVALID_REQUEST", "msgstate", {}, expected, None)


async def test_an_id_with_an_emoji_is_looked_for(shared: Client) -> None:
    """It is a good id, which no message has."""
    error = told(await refused(shared, pb.GetMessageStatusRequest(message_id="🫥")))

    assert error[:2] == (grpc.StatusCode.NOT_FOUND, "MESSAGE_NOT_FOUND")


def filtered(**values: object) -> pb.WatchTransitionsRequest:
    """A watch with this filter."""
    return pb.WatchTransitionsRequest(filter=pb.TransitionFilter(**values))  # type: ignore[arg-type]


MANY = [f"v{number}" for number in range(1_001)]
FORGED = "A" * 50
EMPTY = ""
WATCHES = [
    ("forged token", pb.WatchTransitionsRequest(resume_token=FORGED), ["resume_token"]),
    ("empty token", pb.WatchTransitionsRequest(resume_token=EMPTY), ["resume_token"]),
    ("short token", pb.WatchTransitionsRequest(resume_token="QUJD"), ["resume_token"]),  # noqa: S106
    ("token that is no base64", pb.WatchTransitionsRequest(resume_token="🎟" * 20), ["resume_token"]),
    ("unknown start point", pb.WatchTransitionsRequest(start_point=9), ["start_point"]),  # type: ignore[arg-type]
    ("late start", pb.WatchTransitionsRequest(start_time=Timestamp(seconds=253_402_300_800)), ["start_time"]),
    ("largest start", pb.WatchTransitionsRequest(start_time=Timestamp(seconds=2**63 - 1)), ["start_time"]),
    ("start with bad nanos", pb.WatchTransitionsRequest(start_time=Timestamp(nanos=-1)), ["start_time"]),
    ("unknown state", filtered(to_states=[1, 99]), ["filter.to_states[1]"]),
    ("unspecified state", filtered(to_states=[0]), ["filter.to_states[0]"]),
    ("1,001 providers", filtered(providers=MANY), ["filter.providers"]),
    ("1,001 message ids", filtered(message_ids=MANY), ["filter.message_ids"]),
    ("1,001 recipients", filtered(recipients=MANY), ["filter.recipients"]),
    ("1,001 states", filtered(to_states=[1] * 1_001), ["filter.to_states"]),
    ("empty message id", filtered(message_ids=["m", ""]), ["filter.message_ids[1]"]),
    ("long recipient", filtered(recipients=["r" * 5_000]), ["filter.recipients[0]"]),
    ("NUL in a provider", filtered(providers=["p\0"]), ["filter.providers[0]"]),
    ("negative shard count", pb.WatchTransitionsRequest(shard_count=-1), ["shard_count"]),
    ("shard beyond the last", pb.WatchTransitionsRequest(shard_index=3, shard_count=3), ["shard_index"]),
    ("shard of none", pb.WatchTransitionsRequest(shard_index=1), ["shard_index"]),
    ("negative shard", pb.WatchTransitionsRequest(shard_index=-1, shard_count=3), ["shard_index"]),
]


@pytest.mark.parametrize(("request_", "expected"), [row[1:] for row in WATCHES], ids=[row[0] for row in WATCHES])
async def test_a_malformed_watch_is_refused(
    shared: Client, kind: Kind, request_: pb.WatchTransitionsRequest, expected: list[str]
) -> None:
    """Each broken field is named, with its index where it is one of a list."""
    # Both requests have the same fields under the same numbers.
    asked = kind.request()
    asked.MergeFromString(request_.SerializeToString())
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await watched(shared, asked, bool)

    error = told(raised.value)
    assert error == (INVALID, "INVALID_REQUEST", "msgstate", {}, expected, None)


async def test_one_changed_letter_forges_a_token(shared: Client) -> None:
    """Any change of a token is noticed."""
    token = (await shared.publish()).resume_token
    changed = [token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :] for place in range(0, 48, 5)]

    for forged in [*changed, token[:-3], token + "AAAA", token.lower()]:
        error = told(await refused(shared, pb.WatchTransitionsRequest(resume_token=forged)))
        assert error[:2] == (INVALID, "INVALID_REQUEST"), forged


async def test_the_error_of_a_thousand_broken_fields_can_be_received(shared: Client) -> None:
    """An error fits into the trailers that a client takes by default, 8 KiB, however much was wrong."""
    long = "\U000e0001" * 200 + "\0"
    for values in ([""] * 1_000, [long] * 1_000):
        error = await refused(shared, filtered(message_ids=values, recipients=values, providers=values))
        assert told(error)[:2] == (INVALID, "INVALID_REQUEST")
        assert told(error).fields[:2] == ["filter.providers[0]", "filter.providers[1]"]
        assert trailer_bytes(error) <= TRAILER_BYTES


@pytest.mark.parametrize(
    ("count", "detail", "named"), [(1_001, "", "1000"), (560, "d" * 2_000, "1048576")], ids=["1,001 events", "1.1 MiB"]
)
async def test_a_batch_over_its_limits_is_refused_whole(shared: Client, count: int, detail: str, named: str) -> None:
    """BATCH_TOO_LARGE names the limit, and none of the events was taken."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await shared.publish(*(event(f"over-{number}", ACCEPTED, detail=detail) for number in range(count)))

    assert told(raised.value) == (INVALID, "BATCH_TOO_LARGE", "msgstate", {}, [], None)
    assert named in (raised.value.details() or "")
    with pytest.raises(grpc.aio.AioRpcError, match="NOT_FOUND"):
        await shared.status("over-0")


async def test_a_request_over_the_receive_limit_is_refused_by_the_channel(shared: Client) -> None:
    """More than 8 MiB is RESOURCE_EXHAUSTED, and never read."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await shared.publish(event(detail="d" * 8_400_000))

    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize(("size", "code"), [(6_000_000, INVALID), (50_000_000, grpc.StatusCode.RESOURCE_EXHAUSTED)])
async def test_compression_hides_no_size(shared: Client, size: int, code: grpc.StatusCode) -> None:
    """A request is measured as it is unpacked."""
    request = event_service_pb2.PublishEventsRequest(events=[event(detail="d" * size)])
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await shared.events.PublishEvents(request, timeout=DEADLINE, compression=grpc.Compression.Gzip)

    assert raised.value.code() is code


async def sent_raw(client: Client, method: str, body: bytes) -> grpc.aio.AioRpcError | None:
    """The error with which a request of these bytes is answered, or None where it is answered well."""
    try:
        if method == WATCH:
            call = client.channel.unary_stream(method, bytes, bytes)(body, timeout=DEADLINE)
            await call.read()
            call.cancel()
        else:
            await client.channel.unary_unary(method, bytes, bytes)(body, timeout=DEADLINE)
    except grpc.aio.AioRpcError as error:
        return error
    return None


@pytest.mark.parametrize("method", [PUBLISH, GET, WATCH])
async def test_a_truncated_request_is_invalid(shared: Client, method: str) -> None:
    """A body cut in the middle of a field cannot be decoded, which is the caller's fault."""
    whole = {
        PUBLISH: event_service_pb2.PublishEventsRequest(events=[event("cut")]),
        GET: pb.GetMessageStatusRequest(message_id="cut"),
        WATCH: filtered(message_ids=["cut"]),
    }[method].SerializeToString()

    error = await sent_raw(shared, method, whole[:-2])

    assert error is not None
    assert told(error) == (INVALID, "INVALID_REQUEST", "msgstate", {}, ["request"], None)


@pytest.mark.parametrize("method", [PUBLISH, GET, WATCH])
async def test_random_bytes_are_answered(shared: Client, method: str) -> None:
    """Bytes that happen to be a message are treated as one, all others are INVALID_ARGUMENT; nothing fails."""
    chance = random.Random(7)  # noqa: S311  (a fixed seed)
    bodies = [chance.randbytes(length) for length in (1, 2, 3, 5, 8, 13, 100, 10_000) for _ in range(4)]
    bodies += [b"\xff" * 20, b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x02\xff\xfe", b"\x0b" * 1_000]

    codes = {error.code() if (error := await sent_raw(shared, method, body)) else None for body in bodies}

    assert INVALID in codes
    assert codes <= {INVALID, None, grpc.StatusCode.NOT_FOUND}


async def test_an_unknown_method_is_unimplemented(shared: Client) -> None:
    """What is in no contract is UNIMPLEMENTED, within our services and outside."""
    for method in ("/msgstate.v1.EventService/Nothing", "/nobody.v1.Service/Nothing"):
        error = await sent_raw(shared, method, b"")
        assert error is not None
        assert error.code() is grpc.StatusCode.UNIMPLEMENTED
