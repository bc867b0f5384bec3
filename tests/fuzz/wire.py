"""The HTTP port as a target: requests of odd frames on real connections, and good ones after them on the same."""

import asyncio
import base64
import random
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from tests.fuzz.choices import Choices
from tests.fuzz.hooks import ANSWERS, BASIC
from tests.fuzz.oddities import mutated
from tests.fuzz.promise import Broken, require
from tests.rpc.running import serving
from tests.webhooks.samples import cloudmailin

SECONDS: Final = 15.0
"""By when a whole request must be answered."""
_PATIENCE: Final = 0.1
"""How long to wait for the answer to bytes that may be no whole request: there may be none."""
_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([0-9]{3}) ")
_LENGTH: Final = re.compile(rb"content-length: ([0-9]+)", re.IGNORECASE)
_BODY: Final = cloudmailin("open")
GOOD: Final = (
    b"POST /webhooks/cloudmailin HTTP/1.1\r\nHost: msgstate\r\nAuthorization: %b\r\nContent-Length: %d\r\n\r\n%b"
    % (BASIC, len(_BODY), _BODY)
)
CHUNKED: Final = (
    b"POST /webhooks/cloudmailin HTTP/1.1\r\nHost: msgstate\r\nAuthorization: %b\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"%x\r\n%b\r\n0\r\n\r\n" % (BASIC, len(_BODY), _BODY)
)
_HEADERS: Final = (
    b"Content-Type: \xff", b"Content-Encoding: gzip", b"Expect: 100-continue", b"Expect: x", b"Connection: close",
    b"Connection: upgrade\r\nUpgrade: websocket", b"Connection: upgrade\r\nUpgrade: h2c", b"Upgrade: websocket",
    b"Authorization: Basic", b"X-A: " + b"a" * 60_000, b"X-B: " + b"b" * 300_000, b"Cookie: \x80\x81",
    b"TE: trailers",
    b"X-Emailit-Signature: " + b"0" * 64, b"Authorization: Basic " + base64.b64encode(b"a:b"), b"X:", b"Host: x",
    b"\r\n".join(b"A: b" for _ in range(2_000)),
)  # fmt: skip
_LINES: Final = (
    b"POST /webhooks/cloudmailin HTTP/1.1", b"POST /webhooks/cloudmailin HTTP/1.0", b"POST /webhooks/%ff%00 HTTP/1.1",
    b"POST http://a/webhooks/emailit HTTP/1.1", b"GET /healthz HTTP/1.1",
    b"POST /webhooks/cloudmailin/%2e%2e?a=%ff HTTP/1.1",
    b"DELETE /webhooks/emailit HTTP/1.1", b"POST /" + b"a" * 60_000 + b" HTTP/1.1",
    b"POST /" + b"%00" * 99 + b" HTTP/1.1",
)  # fmt: skip


class Wire:
    """Connections to the port of a service."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._host, self._port = host, int(port)

    async def heads(self, data: bytes) -> None:
        """Whole requests with odd lines and headers: each is answered, and so is a good one behind it."""
        choices = Choices(data)
        async with self._connection() as (reader, writer):
            for _ in range(1 + choices.number(3)):
                lines = [choices.pick(_LINES), b"Content-Length: %d" % len(_BODY)]
                lines += [choices.pick(_HEADERS) for _ in range(choices.number(4))]
                if choices.number(4):
                    lines.append(b"Authorization: " + BASIC)
                writer.write(b"\r\n".join((*lines, b"", _BODY)))
                status, stays = await _answer(reader)
                require(status in ANSWERS, "a whole request is answered with a documented code", status, lines)
                if not stays:
                    break
            else:
                writer.write(GOOD)
                require((await _answer(reader))[0] == 200, "a good request behind odd ones is answered", lines)
        await self._require_good()

    async def frames(self, data: bytes) -> None:
        """Any bytes: nothing is answered with a fault, who ends is let go, and others are served."""
        async with self._connection() as (reader, writer):
            with suppress(ConnectionError):
                writer.write(data)
                answer = await _some(reader)
                writer.write_eof()
                answer += await _rest(reader)
                found = _STATUS.findall(answer)
                require(all(int(each) in ANSWERS for each in found), "no bytes are answered with a fault", found)
        await self._require_good()

    async def _require_good(self) -> None:
        async with self._connection() as (reader, writer):
            writer.write(GOOD)
            status, _ = await _answer(reader)
            require(status == 200, "a good request after bad ones is answered", status)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        try:
            yield reader, writer
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


async def _some(reader: asyncio.StreamReader) -> bytes:
    """What comes within a moment; nothing where the server waits for more."""
    try:
        async with asyncio.timeout(_PATIENCE):
            return await reader.read(65_536)
    except TimeoutError:
        return b""


async def _rest(reader: asyncio.StreamReader) -> bytes:
    """What comes until the server ends the connection."""
    try:
        async with asyncio.timeout(SECONDS):
            return await reader.read()
    except TimeoutError:
        raise Broken(f"a connection that its client has ended is ended within {SECONDS} s") from None


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bool]:
    """The status of the next answer that is final, and whether the connection stays."""
    try:
        async with asyncio.timeout(SECONDS):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                found, length = _STATUS.match(head), _LENGTH.search(head)
                require(found is not None, "an answer is HTTP", head)
                status = int(found[1]) if found else 0
                if status >= 200:
                    await reader.readexactly(int(length[1]) if length else 0)
                    return status, b"connection: close" not in head.lower()
    except TimeoutError:
        raise Broken(f"a whole request is answered within {SECONDS} s") from None
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        raise Broken(f"a whole request is answered; found {error!r}") from None


def some_frame(chance: random.Random) -> bytes:
    """A request, its bytes changed."""
    return mutated(chance, chance.choice((GOOD, CHUNKED, GOOD + CHUNKED)))


@asynccontextmanager
async def wire(folder: Path) -> AsyncIterator[Wire]:
    """The port of a new service."""
    async with serving(folder / "wire.db") as service:
        yield Wire(service.http_address)
