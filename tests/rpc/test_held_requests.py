"""Of a request that opens a stream of responses nothing is held while the stream lasts."""

import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest

from msgstate_server.rpc.interceptors import ErrorInterceptor
from tests.rpc.running import DEADLINE, Client
from tests.rpc.samples import told

pytestmark = pytest.mark.asyncio(loop_scope="session")

METHOD = "/msgstate.v1.Test/Watch"
WATCHES = [f"/msgstate.v1.MessageStatusService/Watch{kind}" for kind in ("Transitions", "Events")]


class Decoded:
    """Stands for a request that was decoded."""


@asynccontextmanager
async def served(handler: "grpc.RpcMethodHandler[Decoded, bytes]") -> AsyncIterator[grpc.aio.Channel]:
    """A channel to a server of one method."""
    server = grpc.aio.server(interceptors=[ErrorInterceptor()])
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("msgstate.v1.Test", {"Watch": handler})])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    await server.stop(0)


async def test_no_request_is_held_while_its_stream_lasts() -> None:
    """Once a stream has begun, neither the message that asked for it nor its bytes are held by anyone."""
    received: list[object] = []

    def decode(data: bytes) -> Decoded:
        request = Decoded()
        received.extend([data, request])
        return request

    async def responses() -> AsyncGenerator[bytes, None]:
        yield b"first"
        yield b"second"

    handler: grpc.RpcMethodHandler[Decoded, bytes] = grpc.unary_stream_rpc_method_handler(
        lambda *_: responses(), decode, None
    )
    async with served(handler) as channel:
        call = channel.unary_stream(METHOD, bytes, bytes)(b"request", timeout=DEADLINE)
        assert await call.read() == b"first"
        # The list has one, and the call of `getrefcount` another.
        assert [sys.getrefcount(received[0]), sys.getrefcount(received[1])] == [2, 2]
        assert received[0] == b"request"
        assert await call.read() == b"second"
        assert await call.read() is grpc.aio.EOF


@pytest.mark.parametrize("method", WATCHES)
async def test_a_watch_without_a_request_is_refused(shared: Client, method: str) -> None:
    """A call that ends before it asked for anything is the caller's fault."""
    call = shared.channel.stream_stream(method, bytes, bytes)(iter(()), timeout=DEADLINE)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call.read()
    assert told(raised.value) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_REQUEST",
        "msgstate",
        {},
        ["request"],
        None,
    )
