"""What anyone may send to the webhooks' port before and behind a body: neither without end nor without hurry."""

import asyncio
from collections.abc import Iterable
from itertools import chain, repeat
from pathlib import Path

import httpx
import pytest

from msgstate_server.webhooks import heads
from tests.rpc.running import DEADLINE, serving
from tests.webhooks.samples import cloudmailin

pytestmark = pytest.mark.asyncio(loop_scope="session")

LINE = b"POST /webhooks/cloudmailin HTTP/1.1\r\nHost: msgstate\r\n"
CHUNKED = LINE + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"
ENDLESS = {
    "headers": chain([LINE], repeat(b"A: b\r\n" * 10_000)),
    "header": chain([LINE, b"A: "], repeat(b"b" * 60_000)),
    "path": chain([b"POST /webhooks/"], repeat(b"a" * 60_000)),
}
ENDLESS_BEHIND = {
    "trailers": chain([CHUNKED, b"0\r\n"], repeat(b"A: b\r\n" * 10_000)),
    "trailer": chain([CHUNKED, b"0\r\nA: "], repeat(b"b" * 60_000)),
    "chunk extension": chain([CHUNKED, b"1;a="], repeat(b"b" * 60_000)),
}


async def answer(address: str, pieces: Iterable[bytes]) -> bytes:
    """What the server answers while the pieces are written, to the end of the connection."""
    reader, writer = await asyncio.open_connection(*address.split(":"))
    reading = asyncio.ensure_future(reader.read())
    try:
        async with asyncio.timeout(DEADLINE):
            for piece in pieces:
                if reading.done():
                    break
                writer.write(piece)
                await writer.drain()
            return await reading
    except ConnectionError:
        return b""
    finally:
        reading.cancel()
        writer.close()


async def posted(address: str, **headers: str) -> int:
    """The status of a webhook that is let in."""
    async with httpx.AsyncClient(auth=("hook", "secret"), timeout=DEADLINE, trust_env=False) as client:
        url = f"http://{address}/webhooks/cloudmailin"
        return (await client.post(url, content=cloudmailin("open"), headers=headers)).status_code


@pytest.mark.parametrize("kind", ENDLESS)
async def test_a_head_without_end_is_cut_off(kind: str, tmp_path: Path) -> None:
    """A path, a header or headers that go on and on end the connection, and others are served."""
    async with serving(tmp_path / "msgstate.db") as service:
        told = await answer(service.http_address, ENDLESS[kind])
        after = await posted(service.http_address)

    # Where the client still writes when the connection closes, the system may throw away what it has not read.
    assert told == b"" or told.startswith(b"HTTP/1.1 431 ")
    assert after == 200


@pytest.mark.parametrize("kind", ENDLESS_BEHIND)
async def test_what_follows_a_body_without_end_is_cut_off(kind: str, tmp_path: Path) -> None:
    """Whoever sends on behind a body, or between its pieces, is told that credentials lack, and then nothing."""
    async with serving(tmp_path / "msgstate.db") as service:
        told = await answer(service.http_address, ENDLESS_BEHIND[kind])
        after = await posted(service.http_address)

    assert told == b"" or told.startswith(b"HTTP/1.1 401 ")
    assert after == 200


async def test_a_body_in_many_chunks_and_its_trailers_are_taken(tmp_path: Path) -> None:
    """A body whose pieces are bytes may be as large as any, and a few trailers behind it change nothing."""
    body = cloudmailin("open").ljust(2 * heads.HEAD_BYTES)
    chunks = b"".join(b"1;a=b\r\n%c\r\n" % byte for byte in body)
    authorized = LINE + b"Authorization: Basic aG9vazpzZWNyZXQ=\r\nConnection: close\r\n"
    head = authorized + b"Transfer-Encoding: chunked\r\n\r\n"
    pieces = [head, *(chunks[start : start + 50_000] for start in range(0, len(chunks), 50_000))]
    async with serving(tmp_path / "msgstate.db") as service:
        told = await answer(service.http_address, [*pieces, b"0\r\nAuthorization: none\r\nA: b\r\n\r\n"])

    assert told.startswith(b"HTTP/1.1 200 ")


async def test_a_large_head_is_answered(tmp_path: Path) -> None:
    """A head that is too large, and ends there, is answered 431; a body may be larger than any head."""
    async with serving(tmp_path / "msgstate.db") as service:
        told = await answer(service.http_address, [LINE, b"A: " + b"a" * heads.HEAD_BYTES])
        large = await posted(service.http_address, **{"X-A": "a" * 30_000})

    assert told.partition(b" ")[2].startswith(b"431 ")
    assert told.endswith(b'{"error":"The request line and headers are too large"}\n')
    assert large == 200


@pytest.mark.parametrize("begun", [b"", LINE])
async def test_a_head_that_stalls_is_given_up(begun: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that never sends a whole head is closed."""
    monkeypatch.setattr(heads, "HEAD_SECONDS", 0.05)
    async with serving(tmp_path / "msgstate.db") as service:
        assert await answer(service.http_address, [begun]) == b""
        assert await posted(service.http_address) == 200
