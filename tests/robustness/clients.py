"""How a recorder reaches a server: connections of its own through the proxies, that come back soon."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import grpc
from google.rpc import error_details_pb2, status_pb2

CALL_SECONDS: Final = 5.0
"""The deadline of a call; what comes later counts as unknown."""
PAUSE_SECONDS: Final = 0.05
"""Between an attempt that failed and the next."""
_OWN_SIDE: Final = "Internal error from Core"
"""What grpc.aio says, as INTERNAL, to who writes into a stream that has ended; no server sends it."""
_OPTIONS: Final = (
    # Else all channels of a process share one connection, and one fault.
    ("grpc.use_local_subchannel_pool", 1),
    # Else the window grows, and who reads nothing is not felt by the server.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 300),
)


class Servers:
    """The servers that a client knows, of which it uses one. One who knows several does not wait for any of them."""

    def __init__(self, addresses: Sequence[str], chosen: random.Random) -> None:
        """Begin with any of them; where there is only one, `chosen` is not asked."""
        self._addresses = addresses
        self._chosen = chosen
        self._at = chosen.randrange(len(addresses)) if self.are_several else 0
        self._channels: Sequence[grpc.aio.Channel] = ()

    @property
    def are_several(self) -> bool:
        """Whether there is another one to go to."""
        return len(self._addresses) > 1

    @property
    def address(self) -> str:
        """Of the one that is used."""
        return self._addresses[self._at]

    @property
    def channel(self) -> grpc.aio.Channel:
        """A channel to the one that is used; only within `connected`."""
        return self._channels[self._at]

    def move(self) -> None:
        """Use another one from now on."""
        if self.are_several:
            self._at = (self._at + self._chosen.randrange(1, len(self._addresses))) % len(self._addresses)

    def wander(self, share: float) -> None:
        """Use another one in such a share of all cases."""
        if self.are_several and self._chosen.random() < share:
            self.move()

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Have a channel to each, with a connection of its own."""
        async with AsyncExitStack() as open_channels:
            self._channels = [
                await open_channels.enter_async_context(grpc.aio.insecure_channel(address, options=_OPTIONS))
                for address in self._addresses
            ]
            yield


def status_of(error: grpc.aio.AioRpcError) -> str:
    """The status by name, with msgstate's reason behind a slash where it has one."""
    info = error_details_pb2.ErrorInfo()
    for detail in _details(error):
        if detail.Unpack(info):
            return f"{error.code().name}/{info.reason}"
    if error.details() == _OWN_SIDE:
        return "OWN_SIDE"
    if error.code() in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN):
        return f"{error.code().name}: {error.details()}"
    return error.code().name


def retry_seconds(error: grpc.aio.AioRpcError) -> float:
    """How long the server asks to wait before the same call is made again; a moment where it does not."""
    retry = error_details_pb2.RetryInfo()
    for detail in _details(error):
        if detail.Unpack(retry):
            return float(retry.retry_delay.ToMilliseconds() / 1_000)
    return PAUSE_SECONDS


def _details(error: grpc.aio.AioRpcError) -> Iterable[Any]:
    """The details of its `google.rpc.Status`, if it is msgstate's."""
    packed = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
    return status_pb2.Status.FromString(packed).details if isinstance(packed, bytes) else ()


async def pause(stopping: asyncio.Event, seconds: float = PAUSE_SECONDS) -> None:
    """Let time pass, but no longer than the campaign lasts."""
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        return
