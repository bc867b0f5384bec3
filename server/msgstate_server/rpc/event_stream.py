"""One call of `StreamEvents`: batches are read ahead, within bounds, and acknowledged in their order."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Final, NamedTuple

from msgstate.v1 import event_service_pb2 as pb
from msgstate_server.domain.decision import Disposition, Outcome, Submission
from msgstate_server.domain.errors import Draining
from msgstate_server.ingest import Committed, Ingest, RefusalLog
from msgstate_server.rpc.event_batches import Refused, admit_batch
from msgstate_server.store.protocol import Store
from msgstate_server.watch.token import Token

BATCHES_AHEAD: Final = 8
"""Batches of one stream that may be read and not yet acknowledged; the next is left to flow control."""

_LINGER_SECONDS: Final = 0.1
"""How long an error waits behind the last acknowledgement. A client of grpc.aio that writes while the end of the stream
lies behind acknowledgements it has not read is told INTERNAL by its own side, and never the error."""


class _Taken(NamedTuple):
    """A batch that has its place; none where all of it was refused, or it is empty."""

    batch_id: int
    refused: Refused
    committed: Committed | None


class EventStream:
    """Takes the batches of one call into `ingest`; `clock` gives their receipt times."""

    def __init__(
        self,
        requests: AsyncIterator[pb.StreamEventsRequest],
        ingest: Ingest,
        store: Store,
        clock: Callable[[], int],
        refusals: RefusalLog,
    ) -> None:
        """Prepare; `acknowledgements` runs it."""
        self._requests = requests
        self._ingest = ingest
        self._store = store
        self._clock = clock
        self._refusals = refusals
        self._room = asyncio.Semaphore(BATCHES_AHEAD)
        self._taken: asyncio.Queue[_Taken | None] = asyncio.Queue()

    async def acknowledgements(self) -> AsyncGenerator[pb.StreamEventsResponse, None]:
        """One response per batch, in order, each when its batch is durable.

        What ends the stream is raised after every acknowledgement before it: `BatchTooLarge`, `InvalidRequest`,
        `StoreUnavailable`, `Draining`.
        """
        reading = asyncio.create_task(self._read())
        reading.add_done_callback(lambda _: self._taken.put_nowait(None))
        closed = asyncio.create_task(self._ingest.closed())
        closed.add_done_callback(lambda _: reading.cancel())
        try:
            while (batch := await self._taken.get()) is not None:
                yield await self._acknowledge(batch)
                self._room.release()
            await _raise_end(reading, closed)
        except Exception:
            reading.cancel()
            await asyncio.sleep(_LINGER_SECONDS)
            raise
        finally:
            closed.cancel()
            reading.cancel()
            await asyncio.gather(reading, closed, return_exceptions=True)
            self._let_go()

    async def _read(self) -> None:
        await self._room.acquire()
        async for request in self._requests:
            candidates, refused = await admit_batch(request, self._clock(), self._refusals)
            committed = await self._ingest.queue(Submission(candidates)) if candidates else None
            self._taken.put_nowait(_Taken(request.batch_id, refused, committed))
            await self._room.acquire()

    async def _acknowledge(self, batch: _Taken) -> pb.StreamEventsResponse:
        outcomes: list[Outcome] = [] if batch.committed is None else await batch.committed
        accepted = sum(outcome.disposition is Disposition.ACCEPTED for outcome in outcomes)
        response = pb.StreamEventsResponse(
            batch_id=batch.batch_id,
            accepted=accepted,
            duplicates=len(outcomes) - accepted,
            resume_token=Token.at(self._store.head).encode(),
        )
        for index, violations in batch.refused.items():
            response.refused.add(index=index, violations=violations)
        return response

    def _let_go(self) -> None:
        """Nobody will be told any more what became of the batches that are left."""
        while not self._taken.empty():
            batch = self._taken.get_nowait()
            if batch is not None and batch.committed is not None:
                batch.committed.cancel()


async def _raise_end(reading: asyncio.Task[None], closed: asyncio.Task[Draining]) -> None:
    """Raise what ended the reading; return after a half-close."""
    if reading.cancelled():
        raise await closed
    reading.result()
