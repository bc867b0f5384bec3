"""Publishing any number of events over a stream."""

from collections import deque
from collections.abc import Callable
from typing import Final

from grpc import RpcError, StatusCode

from msgstate._async.calls import AsyncCalls
from msgstate._async.transport import AsyncEventSource, Connection, PublishStream, each, finish, settled
from msgstate._cut import Cut, Cutter
from msgstate._timing import Deadline
from msgstate._values import Published, PublishedBatch, Refused
from msgstate.errors import MsgstateError, ServerUnavailable
from msgstate.v1.event_service_pb2 import StreamEventsResponse

_IN_FLIGHT: Final = 4
"""Batches sent and not acknowledged yet: enough to keep the server busy, few to hold in memory and to send again."""


class _CallersError(Exception):
    """Carries what the caller's own code raised past the handling of failed calls."""

    def __init__(self, failure: Exception) -> None:
        super().__init__(str(failure))
        self.failure = failure


class AsyncPublishing:
    """One pass over a caller's events."""

    def __init__(
        self,
        calls: AsyncCalls,
        events: AsyncEventSource,
        batch_size: int,
        on_batch: Callable[[PublishedBatch], object] | None,
        seconds: float,
    ) -> None:
        self._calls = calls
        self._events = each(events)
        self._cutter = Cutter(batch_size)
        self._on_batch = on_batch
        self._in_flight = deque[Cut]()
        self._at_end = False
        # It restarts with each batch taken or acknowledged: the caller may be slow, a server may not be silent.
        self._deadline = Deadline(seconds)
        self._accepted = 0
        self._duplicates = 0
        self._refused: list[Refused] = []
        self._token = ""

    async def run(self) -> Published:
        """Publish them all; what was not acknowledged when a server was lost is sent again."""
        try:
            await self._calls.run(self._exchange, deadline=self._deadline)
        except _CallersError as error:
            failure = error.failure
        else:
            return Published(self._accepted, self._duplicates, self._refused, self._token)
        finally:
            await finish(self._events)
        # Raised out here it keeps its own cause and context.
        try:
            raise failure
        finally:
            # An error and a frame that know each other would keep the connection alive.
            del failure

    async def _exchange(self, connection: Connection, _: float) -> None:
        stream = PublishStream(connection)
        try:
            for cut in self._in_flight:
                await stream.write(cut.request, self._deadline.remaining)
            while await self._send(stream):
                await self._acknowledge(await self._answer(stream, connection))
            await self._end(stream)
        finally:
            stream.cancel()

    async def _end(self, stream: PublishStream) -> None:
        """Say that this was all; a server that is lost by now has acknowledged it."""
        try:
            await stream.end_requests()
            await stream.read(self._deadline.remaining)
        except (TimeoutError, ServerUnavailable):
            return
        except RpcError as failure:
            if failure.code() != StatusCode.UNAVAILABLE:
                raise

    async def _send(self, stream: PublishStream) -> bool:
        """Send the next batches, as many as may be in flight; whether any is."""
        while not self._at_end and len(self._in_flight) < _IN_FLIGHT:
            cut = await self._next_cut()
            self._deadline.restart()
            if cut is None:
                self._at_end = True
                break
            self._in_flight.append(cut)
            await stream.write(cut.request, self._deadline.remaining)
        return bool(self._in_flight)

    async def _next_cut(self) -> Cut | None:
        try:
            async for event in self._events:
                full = self._cutter.add(event)
                if full is not None:
                    return full
        except Exception as failure:
            raise _CallersError(failure) from failure
        return self._cutter.rest()

    async def _answer(self, stream: PublishStream, connection: Connection) -> StreamEventsResponse:
        answer = await stream.read(self._deadline.remaining)
        if answer is None:
            raise ServerUnavailable(f"{connection.address} ended the stream too early", code=StatusCode.UNAVAILABLE)
        due = self._in_flight[0].request.batch_id
        if answer.batch_id != due:
            text = f"{connection.address} acknowledged batch {answer.batch_id} where batch {due} was due"
            raise MsgstateError(text, code=StatusCode.INTERNAL)
        return answer

    async def _acknowledge(self, answer: StreamEventsResponse) -> None:
        outcome = self._in_flight.popleft().outcome(answer)
        self._accepted += outcome.accepted
        self._duplicates += outcome.duplicates
        self._refused += outcome.refused
        self._token = outcome.resume_token
        if self._on_batch is not None:
            try:
                await settled(self._on_batch(outcome))
            except Exception as failure:
                raise _CallersError(failure) from failure
        self._deadline.restart()
