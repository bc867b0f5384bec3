"""A real service in this process, on a file of its own and on ports the system chooses, and a client beside it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, TypeAlias

import grpc

from msgstate.v1 import (
    admin_service_pb2_grpc,
    event_pb2,
    event_service_pb2,
    event_service_pb2_grpc,
    message_status_service_pb2_grpc,
)
from msgstate.v1 import message_status_service_pb2 as pb
from msgstate_server.app import Service, Tuning
from msgstate_server.settings import ProviderSettings, Settings

DEADLINE: Final = 20.0
"""Seconds after which what a test waits for will not come."""

SETTINGS: Final = {
    "cloudmailin": ProviderSettings(basic=("hook:secret",)),
    "emailit": ProviderSettings(basic=("hook:secret",), secrets=("whsec_test",)),
}


class Client:
    """The stubs of one channel, and the calls that most tests make."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self.events = event_service_pb2_grpc.EventServiceStub(channel)
        self.statuses = message_status_service_pb2_grpc.MessageStatusServiceStub(channel)
        self.admin = admin_service_pb2_grpc.AdminServiceStub(channel)

    async def publish(self, *events: event_pb2.Event) -> event_service_pb2.PublishEventsResponse:
        """Publish one batch."""
        request = event_service_pb2.PublishEventsRequest(events=events)
        return await self.events.PublishEvents(request, timeout=DEADLINE)

    async def status(self, message_id: str, provider: str = "", recipient: str = "") -> pb.GetMessageStatusResponse:
        """Ask for one message."""
        request = pb.GetMessageStatusRequest(message_id=message_id, provider=provider, recipient=recipient)
        return await self.statuses.GetMessageStatus(request, timeout=DEADLINE)

    async def watched(
        self, request: pb.WatchTransitionsRequest, until: Callable[[list[pb.WatchTransitionsResponse]], bool]
    ) -> list[pb.WatchTransitionsResponse]:
        """The responses of a watch, up to the one with which `until` holds; then the watch is cancelled."""
        call = self.statuses.WatchTransitions(request, timeout=DEADLINE)
        responses: list[pb.WatchTransitionsResponse] = []
        async for response in call:
            responses.append(response)
            if until(responses):
                call.cancel()
                return responses
        raise AssertionError("the watch ended by itself")


WatchCall: TypeAlias = "grpc.aio.UnaryStreamCall[pb.WatchTransitionsRequest, pb.WatchTransitionsResponse]"


async def following(call: WatchCall) -> pb.WatchTransitionsResponse:
    """The next response of a watch that is open."""
    response = await call.read()
    assert isinstance(response, pb.WatchTransitionsResponse), "the watch ended"
    return response


@asynccontextmanager
async def serving(store: Path | str, tuning: Tuning = Tuning()) -> AsyncIterator[Service]:  # noqa: B008  (immutable)
    """A service on this file, or the store of this URL, stopped in the end."""
    url = f"sqlite:///{store}" if isinstance(store, Path) else store
    service = Service(Settings(store=url, grpc="127.0.0.1:0", http="127.0.0.1:0", webhooks=SETTINGS), tuning)
    await service.start()
    try:
        yield service
    finally:
        await service.stop()


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[Client]:
    """A client of the service at this address."""
    async with grpc.aio.insecure_channel(address) as channel:
        yield Client(channel)


async def eventually(condition: Callable[[], bool]) -> None:
    """Return once the condition holds, asking at every turn of the loop; fail after the deadline."""
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110  (there is no event to wait for)
            await asyncio.sleep(0.005)
