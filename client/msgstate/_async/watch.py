"""What a watch hands out, and the token of what was handled."""

from collections.abc import AsyncIterator
from dataclasses import replace
from types import TracebackType
from typing import Generic, Self, TypeVar

from msgstate._async.resuming import AsyncResuming
from msgstate._async.transport import in_thread, settled
from msgstate._keep import Keep, TokenFile
from msgstate._start import Committed, Start
from msgstate._values import Batch
from msgstate.errors import InvalidRequest

T = TypeVar("T", bound=Committed)


class AsyncWatch(Generic[T]):
    """Follows the log: iterate over it, or over its `batches()`.

    Enter it as a context manager to open it: nothing that is committed after that is missed. Iterating without that
    opens it with the first item. What was handed out counts as handled when more is asked for, or when the block is
    left without an error; only then `resume_token` and what `keep` names move on.

    A lost server is looked for until it is back, and the watch goes on where it stopped, without loss or repeat.
    Iteration ends only when the watch or its client is closed. It is for one task or thread at a time; others may call
    `close`.

    Entering it, and iterating, raise `MsgstateError`, but a server that is away only while it was never reached;
    OSError where the file that `keep` names cannot be read or written, ValueError where it holds no token; and what a
    `keep` of the caller's raises.
    """

    def __init__(self, source: AsyncResuming[T], start: Start, keep: Keep | None, timeout: float | None) -> None:
        self._source = source
        self._start = start
        self._callback = keep if callable(keep) else None
        self._file = None if keep is None or callable(keep) else TokenFile(keep)
        self._timeout = timeout
        self._kept = ""
        self._token = start if isinstance(start, str) else ""
        self._batch: Batch[T] | None = None
        self._given = 0
        self._unseen = False

    @property
    def resume_token(self) -> str:
        """Resumes after everything that was handed out and handled so far; empty where there is none yet."""
        return self._token

    async def __aenter__(self) -> Self:
        try:
            await self._open()
        except BaseException:
            await self.close()
            raise
        self._unseen = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                await self._settle()
        finally:
            await self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        batch = self._batch
        while batch is None or self._given == len(batch.entries):
            batch = await self._advance()
            if batch is None:
                raise StopAsyncIteration
        self._unseen = False
        self._given += 1
        return batch.entries[self._given - 1]

    async def batches(self) -> AsyncIterator[Batch[T]]:
        """Everything from here on as it comes, in batches; an empty one is a checkpoint.

        For callers who store its `resume_token` and what they make of its entries in one transaction of their own.
        """
        batch = self._batch
        if batch is not None and (self._unseen or self._given < len(batch.entries)):
            self._unseen = False
            batch = replace(batch, entries=batch.entries[self._given :])
        else:
            batch = await self._advance()
        while batch is not None:
            if self._batch is not None:
                self._given = len(self._batch.entries)
            yield batch
            batch = await self._advance()

    async def close(self) -> None:
        """End it; whoever iterates over it comes to the end. Closing twice does no harm."""
        self._source.close()

    async def _open(self) -> Batch[T]:
        if self._file is not None:
            self._kept = self._file.read()
            self._file.require_writable()
        try:
            batch = self._batch = await self._source.begin(self._kept or self._token or self._start, self._timeout)
        except InvalidRequest as error:
            if self._file is not None and self._kept:
                raise self._file.refused(error) from error
            raise
        self._token = self._kept or self._token
        self._given = 0
        # Without entries it is handled already, and NOW has become a place to come back to.
        await self._settle()
        return batch

    async def _advance(self) -> Batch[T] | None:
        """The next batch, once the one before is handled; None once the watch is closed."""
        if self._batch is None:
            return await self._open()
        await self._settle()
        batch = await self._source.read()
        if batch is not None:
            self._batch, self._given = batch, 0
        return batch

    async def _settle(self) -> None:
        """Where all of the last batch was handed out, it is handled: move on."""
        batch = self._batch
        if batch is None or self._given < len(batch.entries):
            return
        token = batch.resume_token
        if token != self._kept:
            if self._file is not None:
                await in_thread(self._file.write, token)
            if self._callback is not None:
                await settled(self._callback(token))
        self._kept = self._token = token
