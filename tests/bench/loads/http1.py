"""An HTTP client that costs as little as Python allows: requests are bytes, of answers the status is looked at."""

import asyncio
import re
from collections import deque
from collections.abc import Callable
from typing import Final

_HEAD: Final = re.compile(rb"HTTP/1\.1 (\d+) .*?\r\ncontent-length: (\d+)\r\n.*?\r\n\r\n", re.DOTALL | re.IGNORECASE)

Answered = Callable[["Connection"], None]


class Connection(asyncio.Protocol):
    """One connection that is kept, with one request at a time. `answered` is told when it has its answer."""

    def __init__(self, answered: Answered) -> None:
        self._answered = answered
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def send(self, request: bytes) -> None:
        """Send a whole request."""
        assert self._transport is not None
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head = _HEAD.match(self._received)
        if head is None or len(self._received) < head.end() + int(head[2]):
            return
        if head[1] != b"200":
            raise ConnectionError(f"refused: {self._received!r}")
        self._received = b""
        self._answered(self)

    def close(self) -> None:
        """End it."""
        assert self._transport is not None
        self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            raise SystemExit(str(exc))


async def connect(address: str, answered: Answered) -> Connection:
    """A connection to HOST:PORT."""
    host, port = address.rsplit(":", 1)
    _, connection = await asyncio.get_running_loop().create_connection(lambda: Connection(answered), host, int(port))
    return connection


async def post_all(address: str, requests: list[bytes], connections: int) -> tuple[float, list[float]]:
    """Make all requests, each as soon as one before is answered; gives the seconds, and how long each took."""
    loop = asyncio.get_running_loop()
    waiting = deque(requests)
    sent: dict[Connection, float] = {}
    latencies: list[float] = []
    done = loop.create_future()

    def send(connection: Connection) -> None:
        sent[connection] = loop.time()
        connection.send(waiting.popleft())

    def answered(connection: Connection) -> None:
        latencies.append(loop.time() - sent[connection])
        if waiting:
            send(connection)
        elif len(latencies) == len(requests):
            done.set_result(None)

    opened = [await connect(address, answered) for _ in range(min(connections, len(requests)))]
    began = loop.time()
    for connection in opened:
        send(connection)
    await done
    seconds = loop.time() - began
    for connection in opened:
        connection.close()
    return seconds, latencies
