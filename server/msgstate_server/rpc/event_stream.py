"""One `StreamEvents` call: reads a bounded number of batches ahead and acknowledges them in order."""

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
"""The maximum number of unacknowledged batches per stream; flow control holds back the next one."""

_LINGER_SECONDS: Final = 0.1
"""How long to delay an error after the last acknowledgement. If a grpc.aio client writes while the end of the stream is
queued behind acknowledgements that it has not read, its own library reports INTERNAL instead of the error."""


class _Queued(NamedTuple):
    """A batch in the queue; `committed` is None if it is empty or if every event was refused."""

    batch_id: int
    refused: Refused
    committed: Committed | None


class EventStream:
    """Submits the batches of one call to `ingest`; `clock` returns their receipt times."""

    def __init__(
        self,
        requests: AsyncIterator[pb.StreamEventsRequest],
        ingest: Ingest,
        store: Store,
        clock: Callable[[], int],
        refusals: RefusalLog,
    ) -> None:
        """Prepare the stream; `acknowledgements` runs it."""
        self._requests = requests
        self._ingest = ingest
        self._store = store
        self._clock = clock
        self._refusals = refusals
        self._room = asyncio.Semaphore(BATCHES_AHEAD)
        self._queued: asyncio.Queue[_Queued | None] = asyncio.Queue()

    async def acknowledgements(self) -> AsyncGenerator[pb.StreamEventsResponse, None]:
        """Yields one response per batch, in order, as soon as the batch is durable.

        Raises the error that ends the stream after every earlier acknowledgement: `BatchTooLarge`, `InvalidRequest`,
        `StoreUnavailable` or `Draining`.
        """
        reading = asyncio.create_task(self._read())
        reading.add_done_callback(lambda _: self._queued.put_nowait(None))
        closed = asyncio.create_task(self._ingest.closed())
        closed.add_done_callback(lambda _: reading.cancel())
        try:
            while (batch := await self._queued.get()) is not None:
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
            self._abandon_queued()

    async def _read(self) -> None:
        await self._room.acquire()
        async for request in self._requests:
            candidates, refused = await admit_batch(request, self._clock(), self._refusals)
            committed = await self._ingest.queue(Submission(candidates)) if candidates else None
            self._queued.put_nowait(_Queued(request.batch_id, refused, committed))
            await self._room.acquire()

    async def _acknowledge(self, batch: _Queued) -> pb.StreamEventsResponse:
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

    def _abandon_queued(self) -> None:
        """Cancel waiting for the remaining batches: nobody will receive their acknowledgements."""
        while not self._queued.empty():
            batch = self._queued.get_nowait()
            if batch is not None and batch.committed is not None:
                batch.committed.cancel()


async def _raise_end(reading: asyncio.Task[None], closed: asyncio.Task[Draining]) -> None:
    """Raise the error that ended the reading; return after a half-close."""
    if reading.cancelled():
        raise await closed
    reading.result()
