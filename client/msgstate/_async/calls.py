"""Calls with a deadline, retries and several servers."""

from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from typing import Final, Protocol, TypeVar
from weakref import WeakSet

import grpc

from msgstate._async.transport import Closing, Connection, Guard, has_ended
from msgstate._rpc_errors import deadline_error, error_of_rpc
from msgstate._servers import Servers
from msgstate._timing import CALL_DELAY, Backoff, Deadline
from msgstate.errors import ClientClosed, DeadlineExceeded, MsgstateError, ServerUnavailable

Answer = TypeVar("Answer")

_CLOSED: Final = "the client is closed: make another one"


class Closable(Protocol):
    """Something open that ends with the client."""

    def close(self) -> None:
        """End it."""


class AsyncCalls:
    """Makes the calls of one client."""

    def __init__(self, addresses: Sequence[str], timeout: float, *, retry: bool) -> None:
        self.timeout = timeout
        self.retry = retry
        self.servers = Servers(addresses)
        self._connection: Connection | None = None
        self._lost: WeakSet[Connection] = WeakSet()
        self._guard = Guard()
        self._closing = Closing()
        self._streams: WeakSet[Closable] = WeakSet()

    async def close(self) -> None:
        """Cancel every call and close every connection."""
        with self._guard:
            self._closing.close()
            self.servers.close()
            connections = [*self._lost, *([self._connection] if self._connection else [])]
            self._connection = None
            streams = list(self._streams)
        for stream in streams:
            stream.close()
        for connection in connections:
            await connection.close()

    def keep_track(self, stream: Closable) -> None:
        """Close the stream with the client."""
        with self._guard:
            self._streams.add(stream)

    async def run(
        self,
        attempt: Callable[[Connection, float], Awaitable[Answer]],
        timeout: float | None = None,
        deadline: Deadline | None = None,
    ) -> Answer:
        """What the attempt gives: it is tried again while the server is unavailable, until the deadline.

        An attempt is given the connection to use and the seconds that are left. A timeout of None is the client's.
        """
        deadline = deadline or Deadline(self.timeout if timeout is None else timeout)
        backoff = Backoff(CALL_DELAY)
        lost: ServerUnavailable | None = None
        try:
            while True:
                began = deadline.began
                try:
                    return await self.once(attempt, deadline.remaining)
                except ServerUnavailable as error:
                    lost = error
                    delay = backoff.delay(error.retry_after, self.servers.count)
                    if not self.retry or delay >= deadline.remaining:
                        raise
                except DeadlineExceeded:
                    # An attempt that moved nothing had but what was left: that no server was there says more.
                    if lost is None or deadline.began != began:
                        raise
                    raise lost from None
                await self._closing.sleep(delay)
        finally:
            # An error and a frame that know each other would keep the connection alive.
            del lost

    async def once(
        self,
        attempt: Callable[[Connection, float], Awaitable[Answer]],
        seconds: float,
        connection: Connection | None = None,
    ) -> Answer:
        """What the attempt gives, tried once, on this connection or on the current one."""
        deadline = Deadline(seconds)
        connection = connection or await self._current(seconds)
        try:
            return await attempt(connection, deadline.remaining)
        except BaseException as failure:
            if self._closing.cut_off(failure):
                raise ClientClosed(_CLOSED, code=grpc.StatusCode.CANCELLED) from failure
            if isinstance(failure, grpc.RpcError):
                # No name for it here: an error and a frame that know each other would keep the connection alive.
                raise self._explained(failure, connection) from failure
            if type(failure) is TimeoutError:
                self._leave(connection)
                raise deadline_error(connection.address) from None
            if isinstance(failure, ServerUnavailable):
                self._leave(connection)
            raise

    def _explained(self, failure: grpc.RpcError, connection: Connection) -> MsgstateError:
        error = error_of_rpc(failure, connection.address)
        if isinstance(error, ServerUnavailable | DeadlineExceeded):
            self._leave(connection)
        return error

    async def _current(self, seconds: float) -> Connection:
        looking = self._looking()
        if looking is not None and not await has_ended(looking, seconds):
            raise deadline_error(self.servers.text)
        with self._guard:
            self._require_open()
            self.servers.refresh()
            target = self.servers.target
            if target is None:
                text = f"no server is known at {self.servers.text}: is the name right? {self.servers.failure}"
                raise ServerUnavailable(text, code=grpc.StatusCode.UNAVAILABLE)
            if self._connection is None or self._connection.target != target:
                self._set_aside()
                self._connection = Connection(target)
            return self._connection

    def _looking(self) -> Future[None] | None:
        """What to wait for where nothing is known yet."""
        with self._guard:
            self._require_open()
            return None if self.servers.target else self.servers.look_up()

    def _require_open(self) -> None:
        if self._closing.closed:
            raise ClientClosed(_CLOSED, code=grpc.StatusCode.CANCELLED)

    def _leave(self, connection: Connection) -> None:
        """Connect anew the next time, to what the names mean by then, unless another call has seen to it.

        gRPC would connect by itself, but in some releases only while a call waits for it, and after delays of its own.
        Of several servers a new channel takes those first that are there.
        """
        with self._guard:
            if self._connection is connection:
                self._set_aside()
                self.servers.look_up()

    def _set_aside(self) -> None:
        """Use the connection no more; other calls may still run on it."""
        if self._connection is not None:
            self._lost.add(self._connection)
            self._connection = None
