"""How a recorder reaches the server: a connection of its own through the proxy, that comes back soon."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
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


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[grpc.aio.Channel]:
    """A channel with a connection of its own."""
    async with grpc.aio.insecure_channel(address, options=_OPTIONS) as channel:
        yield channel


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
