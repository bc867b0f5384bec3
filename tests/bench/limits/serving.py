"""A bare grpc.aio server, which is what every server of calls is held against. Run as it is it has no methods."""

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
from google.protobuf.message import Message

Handlers = dict[str, "grpc.RpcMethodHandler[Any, Any]"]


def unary(
    handle: Callable[..., Any], request: type[Message], response: type[Message]
) -> "grpc.RpcMethodHandler[Any, Any]":
    """A method that decodes its request and encodes its answer, and does nothing else of its own."""
    return grpc.unary_unary_rpc_method_handler(handle, request.FromString, response.SerializeToString)


def streaming(handle: Callable[..., Any]) -> "grpc.RpcMethodHandler[Any, Any]":
    """A method that looks at no request, and whose answers are bytes."""
    return grpc.unary_stream_rpc_method_handler(handle)


async def serve(*services: tuple[str, Handlers]) -> None:
    """Print the port, and serve until killed."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(
        tuple(grpc.method_handlers_generic_handler(f"msgstate.v1.{name}", handlers) for name, handlers in services)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)  # noqa: T201
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve())
