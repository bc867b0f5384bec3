"""The webhooks behind a real HTTP server: bodies that never end, and connections that stay."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
import uvicorn

from msgstate_server.domain import limits
from msgstate_server.webhooks import app
from msgstate_server.webhooks.credentials import Credentials
from tests.webhooks.conftest import RecordedIngest
from tests.webhooks.samples import cloudmailin

USER = httpx.BasicAuth("user", "password")
HEAD = b"POST /webhooks/cloudmailin HTTP/1.1\r\nHost: msgstate\r\nAuthorization: Basic dXNlcjpwYXNzd29yZA==\r\n"
DEADLINE = 30.0


class Server(uvicorn.Server):
    """A server that leaves the process's signals alone."""

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]  # noqa: ANN201
        """Nothing is captured."""
        yield


@pytest.fixture
async def port(
    ingest: RecordedIngest, credentials: dict[tuple[str, str], Credentials], clock: Callable[[], int]
) -> AsyncIterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))
    served = app.build_app(ingest, credentials, clock, lambda: True)
    server = Server(uvicorn.Config(served, lifespan="off", log_level="error", timeout_graceful_shutdown=1))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    yield listener.getsockname()[1]
    server.should_exit = True
    await task
    listener.close()


async def send(port: int, chunks: AsyncIterator[bytes]) -> int:
    """Write until the server answers, and give the status of its answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = asyncio.ensure_future(status(reader))
    async for chunk in chunks:
        if answer.done():
            break
        writer.write(chunk)
        await writer.drain()
    found = await answer
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    return found


async def test_a_body_of_the_limit_is_taken_and_one_more_byte_is_not(port: int, ingest: RecordedIngest) -> None:
    """The limit holds to the byte, by the length that is announced."""
    whole = cloudmailin("open")
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", auth=USER, timeout=DEADLINE) as client:
        taken = await client.post("/webhooks/cloudmailin", content=whole.ljust(limits.WEBHOOK_BYTES))
        refused = await client.post("/webhooks/cloudmailin", content=whole.ljust(limits.WEBHOOK_BYTES + 1))

    assert (taken.status_code, refused.status_code) == (200, 413)
    assert refused.json() == {"error": "The body must be at most 5242880 bytes."}
    assert len(ingest.submissions) == 1


async def test_a_body_without_end_is_refused_while_it_comes(port: int, ingest: RecordedIngest) -> None:
    """A body that announces no length is answered once it is over the limit, not when it ends."""

    async def endless() -> AsyncIterator[bytes]:
        yield HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
        while True:
            yield b"10000\r\n" + b" " * 0x10000 + b"\r\n"

    async with asyncio.timeout(DEADLINE):
        assert await send(port, endless()) == 413
    assert ingest.submissions == []


async def test_a_body_that_stalls_is_given_up(
    port: int, ingest: RecordedIngest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that stops in the middle of its body is answered in the end, and nothing is kept."""
    monkeypatch.setattr(app, "BODY_SECONDS", 0.05)

    async def stalled() -> AsyncIterator[bytes]:
        yield HEAD + b'Content-Length: 100\r\n\r\n{"events"'

    assert await send(port, stalled()) == 408
    assert ingest.submissions == []


async def test_a_client_that_leaves_early_leaves_nothing(port: int, ingest: RecordedIngest) -> None:
    """Half a body is not kept, and the server goes on."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HEAD + b'Content-Length: 100\r\n\r\n{"events"')
    await writer.drain()
    writer.close()
    await writer.wait_closed()

    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", auth=USER, timeout=DEADLINE) as client:
        answer = await client.post("/webhooks/cloudmailin", content=cloudmailin("open"))

    assert answer.status_code == 200
    assert len(ingest.submissions) == 1


async def test_one_connection_takes_one_webhook_after_another(port: int) -> None:
    """A connection stays open after good and refused webhooks alike."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    statuses = []
    for body in (b'{"events":[]}', b"not json", cloudmailin("open")):
        writer.write(HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        statuses.append(await status(reader))
    writer.write(HEAD.replace(b"dXNl", b"AAAA") + b"Content-Length: 2\r\n\r\n{}")
    statuses.append(await status(reader))
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: msgstate\r\n\r\n")
    statuses.append(await status(reader))
    writer.close()
    await writer.wait_closed()

    assert statuses == [200, 200, 200, 401, 200]


async def status(reader: asyncio.StreamReader) -> int:
    """The status of the next answer, which is read to its end."""
    async with asyncio.timeout(DEADLINE):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(line for line in head.lower().splitlines() if line.startswith("content-length:"))
        await reader.readexactly(int(length.split(":")[1]))
    return int(head.split()[1])
