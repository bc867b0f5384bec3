"""What differs by nature between the two clients: channels, streams, sleeping, callbacks, threads."""

import asyncio
import inspect
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Coroutine, Iterable
from concurrent.futures import Future
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

import grpc

from msgstate._addresses import Target
from msgstate._channel import options
from msgstate.errors import MsgstateError, ServerUnavailable
from msgstate.v1.admin_service_pb2_grpc import AdminServiceStub
from msgstate.v1.event_pb2 import Event
from msgstate.v1.event_service_pb2 import StreamEventsRequest, StreamEventsResponse
from msgstate.v1.event_service_pb2_grpc import EventServiceStub
from msgstate.v1.message_status_service_pb2_grpc import MessageStatusServiceStub

Item = TypeVar("Item")
Response = TypeVar("Response")
Response_co = TypeVar("Response_co", covariant=True)
Argument = TypeVar("Argument")

AsyncEventSource: TypeAlias = Iterable[Event] | AsyncIterable[Event]
"""The events to publish."""


class Connection:
    """A channel to every server of a target, and its stubs."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.address = target.text
        self._channel = grpc.aio.insecure_channel(target.uri, options(target))
        self.events = EventServiceStub(self._channel)
        self.statuses = MessageStatusServiceStub(self._channel)
        self.admin = AdminServiceStub(self._channel)

    async def close(self) -> None:
        """Cancel what runs on it."""
        await self._channel.close()


class _Responses(Protocol[Response_co]):
    def __aiter__(self) -> AsyncIterator[Response_co]: ...
    def cancel(self) -> bool: ...


class _Readable(_Responses[Response_co], Protocol):
    # A response, or EOF, whose type gRPC keeps to itself.
    async def read(self) -> Any: ...


class Stream(Generic[Item]):
    """The responses to one request, decoded."""

    def __init__(self, call: _Readable[Response], decode: Callable[[Response], Item]) -> None:
        self._call = call
        self._decode = decode

    async def read(self, seconds: float | None = None) -> Item | None:
        """The next item; None at the end. Raises RpcError, and TimeoutError where none comes in time."""
        try:
            async with asyncio.timeout(seconds):
                response = await self._call.read()
        except TimeoutError:
            self.cancel()
            raise
        return None if response is grpc.aio.EOF else self._decode(response)

    def cancel(self) -> None:
        """End the call, if it still runs; a reader in another task is woken."""
        self._call.cancel()


class PublishStream(Stream[StreamEventsResponse]):
    """A stream with requests of its own."""

    def __init__(self, connection: Connection) -> None:
        self._address = connection.address
        self._requests = connection.events.StreamEvents()
        super().__init__(self._requests, lambda response: response)

    async def write(self, request: StreamEventsRequest, seconds: float) -> None:
        """Send a request, as soon as flow control lets it pass; where the call has ended, reading tells why."""
        try:
            async with asyncio.timeout(seconds):
                await self._sent(self._requests.write(request))
        except TimeoutError:
            self.cancel()
            raise

    async def end_requests(self) -> None:
        """Say that no more requests will come."""
        await self._sent(self._requests.done_writing())

    async def _sent(self, sending: Coroutine[Any, Any, None]) -> None:
        try:
            await sending
        except asyncio.InvalidStateError:
            pass
        except (grpc.aio.InternalError, grpc.RpcError) as failure:
            # Where the connection is lost while gRPC sends, it calls that an error of its own and forgets the status.
            if isinstance(failure, grpc.RpcError) and failure.details() != "Internal error from Core":
                raise
            text = f"the connection to {self._address} was lost: try again, an event counts once"
            raise ServerUnavailable(text, code=grpc.StatusCode.UNAVAILABLE) from failure


class Closing:
    """Tells that the client, or a watch, is closed, and lets nobody sleep through it."""

    def __init__(self) -> None:
        self.closed = False
        self._event = asyncio.Event()

    def close(self) -> None:
        """Wake those who sleep."""
        self.closed = True
        self._event.set()

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds, or when it is closed."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            pass

    def cut_off(self, failure: BaseException) -> bool:
        """Whether closing, and nothing else, made a call fail."""
        if not self.closed:
            return False
        if isinstance(failure, asyncio.CancelledError):
            # gRPC tells of a call that was cancelled as if its task had been.
            task = asyncio.current_task()
            return task is None or not task.cancelling()
        return isinstance(failure, grpc.RpcError | grpc.aio.UsageError | MsgstateError)


class Alarm:
    """Calls something when so many seconds have passed within its block."""

    def __init__(self, seconds: float, ring: Callable[[], None]) -> None:
        self._seconds = seconds
        self._ring = ring

    def __enter__(self) -> None:
        self._handle = asyncio.get_running_loop().call_later(self._seconds, self._ring)

    def __exit__(self, *_: object) -> None:
        self._handle.cancel()


class Guard:
    """Lets one thread in at a time; within an event loop there is but one."""

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


async def collect(call: _Responses[Response]) -> list[Response]:
    """Every response to a request."""
    try:
        return [response async for response in call]
    finally:
        call.cancel()


async def each(events: AsyncEventSource) -> AsyncGenerator[Event]:
    """Every event."""
    if isinstance(events, AsyncIterable):
        async for event in events:
            yield event
    else:
        for event in events:
            yield event


async def finish(events: AsyncGenerator[Event]) -> None:
    """End what `each` gave."""
    await events.aclose()


async def settled(result: object) -> None:
    """Wait for what a caller's function returned, where that is to be waited for."""
    if inspect.isawaitable(result):
        await result


async def has_ended(work: Future[None], seconds: float) -> bool:
    """Whether what a thread does is over within so many seconds."""
    done, _ = await asyncio.wait([asyncio.wrap_future(work)], timeout=seconds)
    return bool(done)


async def in_thread(function: Callable[[Argument], None], argument: Argument) -> None:
    """Call what may block, such as a disk."""
    await asyncio.to_thread(function, argument)
