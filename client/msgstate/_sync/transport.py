"""What differs by nature between the two clients: channels, streams, sleeping, callbacks, threads."""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from queue import SimpleQueue
from typing import Generic, Protocol, TypeAlias, TypeVar

import grpc

from msgstate._addresses import Target
from msgstate._channel import options
from msgstate.errors import MsgstateError
from msgstate.v1.admin_service_pb2_grpc import AdminServiceStub
from msgstate.v1.event_pb2 import Event
from msgstate.v1.event_service_pb2 import StreamEventsRequest, StreamEventsResponse
from msgstate.v1.event_service_pb2_grpc import EventServiceStub
from msgstate.v1.message_status_service_pb2_grpc import MessageStatusServiceStub

Item = TypeVar("Item")
Response = TypeVar("Response")
Response_co = TypeVar("Response_co", covariant=True)
Argument = TypeVar("Argument")

EventSource: TypeAlias = Iterable[Event]
"""The events to publish."""


class Connection:
    """A channel to every server of a target, and its stubs."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.address = target.text
        self._channel = grpc.insecure_channel(target.uri, options(target))
        self.events = EventServiceStub(self._channel)
        self.statuses = MessageStatusServiceStub(self._channel)
        self.admin = AdminServiceStub(self._channel)

    def close(self) -> None:
        """Cancel what runs on it."""
        self._channel.close()


class _Responses(Protocol[Response_co]):
    def __iter__(self) -> Iterator[Response_co]: ...
    def __next__(self) -> Response_co: ...
    def cancel(self) -> bool: ...


class Stream(Generic[Item]):
    """The responses to one request, decoded."""

    def __init__(self, call: _Responses[Response], decode: Callable[[Response], Item]) -> None:
        self._call = call
        self._decode = decode

    def read(self, seconds: float | None = None) -> Item | None:
        """The next item; None at the end. Raises RpcError, and TimeoutError where none comes in time."""
        if seconds is None:
            return self._next()
        alarm = Alarm(seconds, self.cancel)
        try:
            with alarm:
                item = self._next()
        except grpc.RpcError:
            if alarm.rang:
                raise TimeoutError from None
            raise
        if alarm.rang:
            # The call is cancelled, whatever came just before.
            raise TimeoutError
        return item

    def cancel(self) -> None:
        """End the call, if it still runs; a reader in another thread is woken."""
        self._call.cancel()

    def _next(self) -> Item | None:
        try:
            return self._decode(next(self._call))
        except StopIteration:
            return None


class PublishStream(Stream[StreamEventsResponse]):
    """A stream with requests of its own."""

    def __init__(self, connection: Connection) -> None:
        # gRPC takes requests out of it in a thread of its own; None tells that thread to end.
        self._requests = SimpleQueue[StreamEventsRequest | None]()
        super().__init__(connection.events.StreamEvents(iter(self._requests.get, None)), lambda response: response)

    def write(self, request: StreamEventsRequest, seconds: float) -> None:
        """Send a request, as soon as flow control lets it pass; where the call has ended, reading tells why."""
        self._requests.put(request)

    def end_requests(self) -> None:
        """Say that no more requests will come."""
        self._requests.put(None)

    def cancel(self) -> None:
        """End the call, if it still runs, and the thread that takes its requests."""
        super().cancel()
        self._requests.put(None)


class Closing:
    """Tells that the client, or a watch, is closed, and lets nobody sleep through it."""

    def __init__(self) -> None:
        self._event = threading.Event()

    @property
    def closed(self) -> bool:
        """Whether it is."""
        return self._event.is_set()

    def close(self) -> None:
        """Wake those who sleep."""
        self._event.set()

    def sleep(self, seconds: float) -> None:
        """Return after so many seconds, or when it is closed."""
        self._event.wait(seconds)

    def cut_off(self, failure: BaseException) -> bool:
        """Whether closing, and nothing else, made a call fail."""
        # A call on a closed channel is a ValueError.
        return self.closed and isinstance(failure, grpc.RpcError | ValueError | MsgstateError)


class Alarm:
    """Calls something when so many seconds have passed within its block."""

    def __init__(self, seconds: float, ring: Callable[[], object]) -> None:
        self._ring = ring
        self._timer = threading.Timer(seconds, self._go_off)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._is_over = False
        self.rang = False

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        with self._lock:
            self._is_over = True

    def _go_off(self) -> None:
        # A timer that is running already cannot be cancelled.
        with self._lock:
            if not self._is_over:
                self.rang = True
                self._ring()


Guard = threading.Lock


def collect(call: _Responses[Response]) -> list[Response]:
    """Every response to a request."""
    try:
        return list(call)
    finally:
        call.cancel()


def each(events: EventSource) -> Iterator[Event]:
    """Every event."""
    return iter(events)


def finish(events: Iterator[Event]) -> None:
    """Nothing was opened to go through the caller's events."""


def settled(result: object) -> None:
    """Nothing is left to be waited for once a caller's function has returned."""


def has_ended(work: Future[None], seconds: float) -> bool:
    """Whether what a thread does is over within so many seconds."""
    return bool(wait([work], seconds).done)


def in_thread(function: Callable[[Argument], None], argument: Argument) -> None:
    """Call what may block, such as a disk: here the caller does."""
    function(argument)
