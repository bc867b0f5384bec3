"""The limit of a webhook: a handler that reads the same body and answers, and nothing else. It prints its port."""

import asyncio
import socket

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


async def receive(request: Request) -> JSONResponse:
    """Read the body."""
    await request.body()
    return JSONResponse({"accepted": 1, "duplicates": 0, "quarantined": 0, "ignored": 0})


def main() -> None:
    """Serve until killed."""
    app = Starlette(routes=[Route("/webhooks/{provider}", receive, methods=["POST"])])
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    config = uvicorn.Config(
        app, http="httptools", log_config=None, access_log=False, lifespan="off", server_header=False
    )
    print(listener.getsockname()[1], flush=True)  # noqa: T201
    asyncio.run(uvicorn.Server(config).serve([listener]))


if __name__ == "__main__":
    main()
