"""A network between clients and server that a test can spoil: it cuts, delays, throttles and swallows."""

import asyncio
import random
from contextlib import suppress
from typing import Final, NamedTuple

_CHUNK: Final = 65_536
_TRICKLE_SECONDS: Final = 0.01

UP: Final = "up"
"""From clients to the server."""
DOWN: Final = "down"
"""From the server to clients."""


class Weather(NamedTuple):
    """What happens to bytes on their way: a delay in seconds, bytes that pass at a time, directions that swallow."""

    delay: float = 0.0
    trickle: int = 0
    holes: frozenset[str] = frozenset()


FAIR: Final = Weather()


class Proxy:
    """Passes bytes on between its own port, which never changes, and a target, which may."""

    def __init__(self, chosen: random.Random) -> None:
        self.target = ""
        """Where to; while it is empty, every new connection is refused."""
        self.address = ""
        self._chosen = chosen
        self._weather = FAIR
        self._fair = asyncio.Event()
        self._fair.set()
        self.cuts_made = 0
        """Connections that were cut in the middle of what they carried."""
        self._cutting: set[asyncio.WriteTransport] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._passing: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        self.address = f"{host}:{port}"

    async def close(self) -> None:
        """End everything."""
        self.target = ""
        if self._server is not None:
            for listening in self._server.sockets:
                asyncio.get_running_loop().remove_reader(listening)
            # Who was accepted in this turn is let in by the next; by a closed server never, and nobody lets him go.
            await asyncio.sleep(0)
            self._server.close()
        self.cut()
        for task in self._passing:
            task.cancel()
        await asyncio.gather(*self._passing, return_exceptions=True)

    def turn(self, weather: Weather) -> None:
        """From now on bytes pass like this; what was held back goes on when holes close."""
        self._weather = weather
        if weather.holes:
            self._fair.clear()
        else:
            self._fair.set()

    def cut(self) -> int:
        """Reset every connection at once; gives how many ends there were."""
        ends = list(self._writers)
        for writer in ends:
            writer.transport.abort()
        return len(ends)

    def cut_in_frame(self) -> int:
        """Reset every connection after part of what it carries next."""
        self._cutting = {writer.transport for writer in self._writers}
        return len(self._cutting)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = self.target.rpartition(":")
        if not port:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        for source, sink, direction in ((reader, far_writer, UP), (far_reader, writer, DOWN)):
            task = asyncio.create_task(self._pass(source, sink, direction))
            self._passing.add(task)
            task.add_done_callback(self._passing.discard)

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, direction: str) -> None:
        try:
            while data := await source.read(_CHUNK):
                await self._spoil(direction)
                if sink.transport in self._cutting:
                    sink.write(data[: self._chosen.randrange(len(data))])
                    self._cutting.discard(sink.transport)
                    self.cuts_made += 1
                    break
                await self._send(sink, data)
        except OSError:
            # It was cut at one end; so it is at the other.
            sink.transport.abort()
        finally:
            self._writers.discard(sink)
            with suppress(OSError):
                sink.close()

    async def _spoil(self, direction: str) -> None:
        while direction in self._weather.holes:
            await self._fair.wait()
        if self._weather.delay:
            await asyncio.sleep(self._weather.delay)

    async def _send(self, sink: asyncio.StreamWriter, data: bytes) -> None:
        while data:
            size = self._weather.trickle or len(data)
            sink.write(data[:size])
            data = data[size:]
            await sink.drain()
            if self._weather.trickle:
                await asyncio.sleep(_TRICKLE_SECONDS)
