"""The two rpcs that watch the log, as tests that hold for both ask them."""

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias

import grpc

from msgstate.v1 import event_pb2, log_pb2
from msgstate.v1 import message_status_service_pb2 as pb
from tests.rpc.running import DEADLINE, Client

Item: TypeAlias = log_pb2.Transition | log_pb2.LogEntry
Request: TypeAlias = pb.WatchTransitionsRequest | pb.WatchEventsRequest
Response: TypeAlias = pb.WatchTransitionsResponse | pb.WatchEventsResponse
Call: TypeAlias = (
    "grpc.aio.UnaryStreamCall[pb.WatchTransitionsRequest, pb.WatchTransitionsResponse]"
    " | grpc.aio.UnaryStreamCall[pb.WatchEventsRequest, pb.WatchEventsResponse]"
)


class Kind(NamedTuple):
    """One of the two: its request, and whether it tells of transitions alone."""

    request: Callable[..., Request]
    moved_alone: bool


TRANSITIONS = Kind(pb.WatchTransitionsRequest, moved_alone=True)
EVENTS = Kind(pb.WatchEventsRequest, moved_alone=False)


def watch(client: Client, request: Request, seconds: float = DEADLINE) -> Call:
    """Open a watch: the rpc is the request's."""
    if isinstance(request, pb.WatchEventsRequest):
        return client.statuses.WatchEvents(request, timeout=seconds)
    return client.statuses.WatchTransitions(request, timeout=seconds)


async def following(call: Call) -> Response:
    """The next response of a watch that is open."""
    response = await call.read()
    assert isinstance(response, Response), "the watch ended"
    return response


async def watched(client: Client, request: Request, until: Callable[[list[Response]], bool]) -> list[Response]:
    """The responses of a watch, up to the one with which `until` holds; then the watch is cancelled."""
    call = watch(client, request)
    responses = [await following(call)]
    while not until(responses):
        responses.append(await following(call))
    call.cancel()
    return responses


def told_in(response: Response) -> list[Item]:
    """What one response tells of."""
    return list(response.entries if isinstance(response, pb.WatchEventsResponse) else response.transitions)


def items(responses: Iterable[Response]) -> list[Item]:
    """What a stream told of."""
    return [item for response in responses for item in told_in(response)]


def positions(responses: Iterable[Response]) -> list[int]:
    """The positions of what a stream told of."""
    return [item.position for item in items(responses)]


def names(item: Item) -> tuple[str, str, str]:
    """Whose it is: provider, message id and recipient."""
    own: log_pb2.Transition | event_pb2.Event = item.event if isinstance(item, log_pb2.LogEntry) else item
    return own.provider, own.message_id, own.recipient
