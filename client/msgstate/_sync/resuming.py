# Generated from _async/resuming.py by scripts/make_sync.py: change that one and run `make generate`.
"""A stream of batches that outlives its server."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Generic, TypeAlias, TypeVar

from grpc import StatusCode

from msgstate._channel import log
from msgstate._rpc_errors import is_old
from msgstate._start import Committed, Start, since
from msgstate._sync.calls import Calls
from msgstate._sync.transport import Closing, Connection, Stream
from msgstate._timing import WATCH_DELAY, Backoff
from msgstate._values import Batch
from msgstate.errors import ClientClosed, DeadlineExceeded, MsgstateError, ResourceExhausted, ServerUnavailable

T = TypeVar("T", bound=Committed)

Open: TypeAlias = Callable[[Connection, Start], Stream[Batch[T]]]
"""Asks a server for the stream from there on."""


class Resuming(Generic[T]):
    """The batches of a watch, over as many connections as it takes."""

    def __init__(self, calls: Calls, open_: Open[T]) -> None:
        self._calls = calls
        self._open = open_
        self._closing = Closing()
        self._start: Start = ""
        self._since: datetime | None = None
        self._connection: Connection | None = None
        self._stream: Stream[Batch[T]] | None = None

    def begin(self, start: Start, timeout: float | None = None) -> Batch[T]:
        """The first batch, which the server sends at once; within the timeout (None: the client's), as any call."""
        if self._closing.closed:
            raise ClientClosed("the watch is closed: make another one", code=StatusCode.CANCELLED)
        self._start = start
        self._since = start if isinstance(start, datetime) else None
        self._calls.keep_track(self)
        try:
            batch = self._calls.run(self._first, timeout)
        except BaseException as failure:
            if self._closing.cut_off(failure):
                raise ClientClosed("the watch was closed", code=StatusCode.CANCELLED) from failure
            raise
        return self._moved_on(batch)

    def read(self) -> Batch[T] | None:
        """The next batch, however long it takes; None once this is closed. Where it raises, it can be read on."""
        backoff = Backoff(WATCH_DELAY)
        lost = moving = False
        while not self._closing.closed:
            try:
                batch = self._calls.once(self._next, self._calls.timeout, self._connection)
            except BaseException as failure:
                self._drop()
                if self._closing.cut_off(failure):
                    break
                if not (isinstance(failure, MsgstateError) and _is_passing(failure)):
                    raise
                if is_old(failure) and not moving:
                    moving = True
                    log.info("a watch leaves an old connection")
                    continue
                delay = backoff.delay(failure.retry_after, self._calls.servers.count)
                if not lost:
                    log.warning("a watch lost its server and tries to resume: %s", failure)
                lost = True
            else:
                if lost:
                    log.warning("a watch resumed")
                return self._moved_on(batch)
            self._closing.sleep(delay)
        return None

    def close(self) -> None:
        """End it, also while another task or thread reads."""
        self._closing.close()
        self._drop()

    def _first(self, connection: Connection, seconds: float) -> Batch[T]:
        self._drop()
        stream = self._open(connection, self._start)
        self._connection, self._stream = connection, stream
        try:
            if self._closing.closed:
                # Another thread closed it when there was no stream to cancel yet.
                self._drop()
            return _required(stream.read(seconds), connection)
        except BaseException:
            self._drop()
            raise

    def _next(self, connection: Connection, seconds: float) -> Batch[T]:
        if self._stream is None:
            return self._first(connection, seconds)
        return _required(self._stream.read(), connection)

    def _moved_on(self, batch: Batch[T]) -> Batch[T]:
        """The batch without what is earlier than the start: a token does not hold a time that is ahead of it."""
        self._start = batch.resume_token
        if self._since is None or not batch.entries:
            return batch
        batch = replace(batch, entries=since(batch.entries, self._since))
        if batch.entries:
            self._since = None
        return batch

    def _drop(self) -> None:
        stream, self._stream, self._connection = self._stream, None, None
        if stream is not None:
            stream.cancel()


def _is_passing(failure: MsgstateError) -> bool:
    """Whether to try again. A server near its limit may still count the stream that was lost."""
    if isinstance(failure, ResourceExhausted):
        return failure.retry_after is not None
    return isinstance(failure, ServerUnavailable | DeadlineExceeded)


def _required(batch: Batch[T] | None, connection: Connection) -> Batch[T]:
    if batch is None:
        raise ServerUnavailable(f"{connection.address} ended the watch", code=StatusCode.UNAVAILABLE)
    return batch
