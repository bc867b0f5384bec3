"""HTTP of which neither a head nor what follows a body is endless, or slow: uvicorn bounds none of it."""

import asyncio
from typing import Any, Final, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES: Final = 65_536
"""Most bytes of a request before its body, or between two pieces of it, or behind it, beyond those that came with the
first of them."""
HEAD_SECONDS: Final = 15.0
"""How long a connection may take from when it opens, or from a request's first byte, to the end of the head."""

_TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/json\r\ncontent-length: 55\r\n"
    b'connection: close\r\n\r\n{"error":"The request line and headers are too large"}\n'
)


class BoundedHeads(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        """Take what uvicorn gives."""
        super().__init__(*arguments, **named)
        self._bytes = 0
        """How many came since the head or the body last got anywhere."""
        self._moved = False
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Expect a head."""
        super().connection_made(cast("asyncio.Transport", transport))
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing more."""
        self._end_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take a piece; refuse a head, or what comes behind a body, that goes on and on."""
        self._moved = False
        super().data_received(data)
        self._bytes = 0 if self._moved else self._bytes + len(data)
        if self._bytes > HEAD_BYTES and not self.transport.is_closing():
            if self._deadline is not None:
                self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_message_begin(self) -> None:
        """A request's first byte."""
        super().on_message_begin()
        # What else came with it may be the rest of the body before, but for the first of a connection.
        self._moved = self._moved or self._deadline is None
        self._expect_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; what comes behind the body is none, and is passed over."""
        if self._deadline is not None:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The end of its head."""
        self._moved = True
        self._end_head()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of its body."""
        self._moved = True
        super().on_body(body)

    def _expect_head(self) -> None:
        self._end_head()
        self._deadline = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _end_head(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
