"""A gRPC client that costs as little as Python allows: requests and answers are bytes.

What the load costs is taken from the server where both share the cores; a client of grpc.aio costs as much for a call
as a bare server. It is for small requests: it waits for no window to send in. It takes as much as the server sends.
"""

import asyncio
import struct
from collections import deque
from collections.abc import Callable
from typing import Final, TypeAlias

_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _END_HEADERS, _ACK = 1, 4, 1
_INITIAL_WINDOW, _MAX_FRAME = 4, 5
_LARGEST: Final = 2**31 - 1
_FIRST_WINDOW: Final = 65_535
_HEAD: Final = 9
_PREFIX: Final = 5

Receive: TypeAlias = Callable[[bytes | None], None]
"""Is given every message of a call, encoded, and None when the call has ended."""


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">HBBBI", len(payload) >> 8, len(payload) & 0xFF, kind, flags, stream) + payload


def _header(name: str, value: str) -> bytes:
    """A header as a literal that no table keeps, so that neither side has to remember any."""
    return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


class Connection(asyncio.Protocol):
    """One connection. Make it with `connect`."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._received = b""
        self._next_stream = 1
        self._calls: dict[int, Receive] = {}
        self._parts: dict[int, bytes] = {}
        self._heads: dict[str, bytes] = {}
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        settings = struct.pack(">HIHI", _INITIAL_WINDOW, _LARGEST, _MAX_FRAME, 2**24 - 1)
        window = struct.pack(">I", _LARGEST - _FIRST_WINDOW)
        transport.write(_PREFACE + _frame(_SETTINGS, 0, 0, settings) + _frame(_WINDOW_UPDATE, 0, 0, window))

    def start(self, method: str, request: bytes, receive: Receive) -> None:
        """Begin a call of one request: `receive` is given its answers."""
        stream, self._next_stream = self._next_stream, self._next_stream + 2
        self._calls[stream] = receive
        head = self._heads.get(method)
        if head is None:
            head = self._heads[method] = b"".join(
                _header(name, value)
                for name, value in (
                    (":method", "POST"),
                    (":scheme", "http"),
                    (":path", method),
                    (":authority", self._address),
                    ("te", "trailers"),
                    ("content-type", "application/grpc"),
                )
            )
        data = b"\0" + struct.pack(">I", len(request)) + request
        assert self._transport is not None
        self._transport.write(_frame(_HEADERS, _END_HEADERS, stream, head) + _frame(_DATA, _END_STREAM, stream, data))

    def data_received(self, data: bytes) -> None:
        data = self._received + data if self._received else data
        start, end = 0, len(data)
        while end - start >= _HEAD:
            high, low, kind, flags, stream = struct.unpack_from(">HBBBI", data, start)
            after = start + _HEAD + (high << 8) + low
            if after > end:
                break
            if kind == _DATA:
                self._take(stream, data[start + _HEAD : after])
            elif kind == _PING and not flags & _ACK:
                self._answer(_PING, data[start + _HEAD : after])
            elif kind == _SETTINGS and not flags & _ACK:
                self._answer(_SETTINGS, b"")
            elif kind == _GOAWAY:
                raise ConnectionError(f"the server sends nothing more: {data[start + _HEAD + 8 : after]!r}")
            self.last = (kind, flags, data[start + _HEAD : after][:400])
            if kind == _RST_STREAM or (kind in (_DATA, _HEADERS) and flags & _END_STREAM):
                self._end(stream)
            start = after
        self._received = data[start:]

    def _take(self, stream: int, data: bytes) -> None:
        """Give a call the messages that are whole."""
        receive = self._calls.get(stream)
        if receive is None:
            return
        data = self._parts.pop(stream, b"") + data
        start = 0
        while len(data) - start >= _PREFIX:
            end = start + _PREFIX + int.from_bytes(data[start + 1 : start + _PREFIX], "big")
            if end > len(data):
                break
            receive(data[start + _PREFIX : end])
            start = end
        if start < len(data):
            self._parts[stream] = data[start:]

    def _end(self, stream: int) -> None:
        if receive := self._calls.pop(stream, None):
            receive(None)

    def _answer(self, kind: int, payload: bytes) -> None:
        assert self._transport is not None
        self._transport.write(_frame(kind, _ACK, 0, payload))

    def connection_lost(self, exc: Exception | None) -> None:
        for stream in list(self._calls):
            self._end(stream)

    def close(self) -> None:
        """End it, and all of its calls."""
        self._calls.clear()
        assert self._transport is not None
        self._transport.close()


async def connect(address: str) -> Connection:
    """A connection to HOST:PORT."""
    host, port = address.rsplit(":", 1)
    _, connection = await asyncio.get_running_loop().create_connection(lambda: Connection(address), host, int(port))
    return connection


class Calls:
    """Calls of one answer each, so many at a time, each made as soon as one before is answered."""

    def __init__(self, method: str, requests: list[bytes]) -> None:
        self._method = method
        self._requests = deque(requests)
        self._count = len(requests)
        self._clock = asyncio.get_running_loop().time
        self._done = asyncio.get_running_loop().create_future()
        self._failed = 0
        self.latencies: list[float] = []

    async def run(self, connections: list[Connection], in_flight: int) -> float:
        """Make all of them; gives the seconds. Raises where one fails."""
        began = self._clock()
        for number in range(min(in_flight, self._count)):
            self._next(connections[number % len(connections)])
        await self._done
        if self._failed:
            raise SystemExit(f"{self._failed} of {self._count} calls of {self._method} failed")
        return self._clock() - began

    def _next(self, connection: Connection) -> None:
        began, answers = self._clock(), 0

        def receive(message: bytes | None) -> None:
            nonlocal answers
            if message is not None:
                answers += 1
                return
            # What fails ends without a message.
            self._failed += answers != 1
            self.latencies.append(self._clock() - began)
            if self._requests:
                self._next(connection)
            elif len(self.latencies) == self._count:
                self._done.set_result(None)

        connection.start(self._method, self._requests.popleft(), receive)
