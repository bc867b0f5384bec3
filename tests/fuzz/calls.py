"""The gRPC services as targets: requests of any bytes, of odd fields, streams of both, and tokens tampered with."""

import itertools
import random
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import grpc
from google.protobuf.message import Message

from msgstate.v1 import event_pb2
from msgstate.v1 import event_service_pb2 as events_pb
from msgstate.v1 import message_status_service_pb2 as pb
from msgstate.v1.admin_service_pb2 import ListQuarantineRequest
from msgstate_server.domain.opaque_token import seal, unseal
from tests.fuzz.choices import Choices
from tests.fuzz.messages import KNOWN, fill, parsed
from tests.fuzz.methods import BY_NAME, METHODS, Answered, Method, call
from tests.fuzz.oddities import NUMBERS, TEXTS, mutated
from tests.fuzz.promise import require
from tests.rpc.running import connected, serving

ACCEPTED: Final = events_pb.DISPOSITION_ACCEPTED
_BATCH: Final = 1_048_576
_EVENTS: Final = 1_000


def event(message_id: str) -> event_pb2.Event:
    """A good event."""
    return event_pb2.Event(
        provider="shop", message_id=message_id, recipient="to@example.com", type=event_pb2.EVENT_TYPE_BOUNCED
    )


class Calls:
    """A channel to a service that has a log, and the tokens of its lists and of its log."""

    def __init__(self, channel: grpc.aio.Channel, tokens: list[str]) -> None:
        self._channel = channel
        self._tokens = tokens
        self._numbers = itertools.count()

    async def request(self, data: bytes) -> None:
        """A request of any bytes, after one that says of which method."""
        method = METHODS[data[0] % len(METHODS)] if data else METHODS[0]
        answered = await self._call(method, data[1:])
        if not parsed(method.request, data[1:]):
            require(answered.code is grpc.StatusCode.INVALID_ARGUMENT, "what cannot be decoded is refused", answered)

    async def fields(self, data: bytes) -> None:
        """A request whose fields have odd values."""
        choices = Choices(data)
        method = choices.pick(METHODS)
        request = method.request()
        fill(request, choices)
        if isinstance(request, events_pb.PublishEventsRequest):
            await self._publish(request)
        else:
            await self._call(method, request.SerializeToString())

    async def stream(self, data: bytes) -> None:
        """Batches of odd events on one stream, a good one first and some bytes last."""
        choices = Choices(data)
        good = events_pb.StreamEventsRequest(batch_id=1, events=[event(self._name())])
        requests = [good.SerializeToString()]
        for number in range(choices.number(4)):
            odd = events_pb.StreamEventsRequest(batch_id=number)
            fill(odd, choices)
            requests.append(odd.SerializeToString())
        if choices.number(2):
            requests.append(choices.rest())
        answered = await self._call(BY_NAME["StreamEvents"], *requests)
        require(bool(answered.responses), "a good batch before bad ones is acknowledged", answered)
        require(answered.responses[0].accepted == 1, "a good batch before bad ones is taken", answered.responses[0])
        await self._require_good(good.events[0].message_id)

    async def tokens(self, data: bytes) -> None:
        """A token that was changed, cut, made of two, or sealed anew with another position, wherever one is taken."""
        choices = Choices(data)
        token = _tampered(choices, self._tokens)
        asked = choices.pick(_TAKE_TOKENS)
        request = type(asked)()
        request.CopyFrom(asked)
        setattr(request, "resume_token" if "resume_token" in request.DESCRIPTOR.fields_by_name else "page_token", token)
        name = request.DESCRIPTOR.name.removesuffix("Request")
        await self._call(BY_NAME[name], request.SerializeToString())

    async def _publish(self, request: events_pb.PublishEventsRequest) -> None:
        """Publish odd events with a good one behind them."""
        request.events.append(event(self._name()))
        data = request.SerializeToString()
        answered = await self._call(BY_NAME["PublishEvents"], data)
        if len(request.events) <= _EVENTS and len(data) <= _BATCH:
            require(answered.code is None, "a batch within its limits is answered", answered)
            last = answered.responses[0].results[-1]
            require(last.disposition == ACCEPTED, "a good event behind bad ones is taken", last)
            await self._require_good(request.events[-1].message_id)

    async def _require_good(self, message_id: str) -> None:
        request = pb.GetMessageStatusRequest(message_id=message_id, provider="shop")
        answered = await self._call(BY_NAME["GetMessageStatus"], request.SerializeToString())
        require(answered.code is None, "what is accepted is found", answered)

    async def _call(self, method: Method, *requests: bytes) -> Answered:
        return await call(self._channel, method, *requests)

    def _name(self) -> str:
        return f"good-{next(self._numbers)}"


_TAKE_TOKENS: Final[tuple[Message, ...]] = (
    pb.WatchTransitionsRequest(),
    pb.WatchEventsRequest(),
    pb.ListMessageStatusesRequest(page_size=1),
    pb.GetMessageHistoryRequest(message_id=KNOWN[0], page_size=1),
    ListQuarantineRequest(page_size=1),
)
_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ "
_POSITIONS: Final = [number for number in NUMBERS if -(1 << 63) <= number < 1 << 63]


def _tampered(choices: Choices, tokens: list[str]) -> str:
    token = choices.pick(tokens)
    at = choices.number(len(token))
    match choices.number(6):
        case 0:
            return token[:at] + choices.pick(_ALPHABET) + token[at + 1 :]
        case 1:
            return token[:at]
        case 2:
            return token[:at] + choices.pick(tokens)[at:]
        case 3:
            return choices.pick((token, *TEXTS))
        case 4:
            return seal(choices.rest())
    inside = unseal(token) or b""
    # The position stands before the fingerprint of a resume token, and at the end of a page token.
    before, behind = (inside[:17], inside[25:]) if len(inside) == _RESUME else (inside[:9], b"")
    return seal(before + struct.pack(">q", choices.pick(_POSITIONS)) + behind)


_RESUME: Final = 33


def some_request(chance: random.Random) -> bytes:
    """The bytes of a request, changed; or no request at all."""
    number = chance.randrange(len(METHODS))
    request: Any = METHODS[number].request()
    fill(request, Choices(chance.randbytes(chance.choice((2, 8, 32)))))
    whole = request.SerializeToString()[:4_096]
    return bytes([number]) + (
        mutated(chance, whole) if chance.random() < 0.8 else chance.randbytes(chance.randrange(64))
    )


@asynccontextmanager
async def calls(folder: Path) -> AsyncIterator[Calls]:
    """A service with a few messages in its log, two webhooks in quarantine."""
    async with serving(folder / "calls.db") as service, connected(service.grpc_address) as client:
        for number in range(3):
            known = event(KNOWN[0])
            known.event_id = str(number)
            published = await client.publish(known, event(f"other-{number}"))
        listed = await client.statuses.ListMessageStatuses(pb.ListMessageStatusesRequest(page_size=1))
        history = await client.statuses.GetMessageHistory(pb.GetMessageHistoryRequest(message_id=KNOWN[0], page_size=1))
        tokens = [published.resume_token, listed.next_page_token, history.next_page_token, listed.resume_token]
        yield Calls(client.channel, tokens)
