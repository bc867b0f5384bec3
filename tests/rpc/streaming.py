"""A call of StreamEvents as a client makes it: what was acknowledged, and how it ended."""

from collections.abc import AsyncIterable, Sequence
from typing import NamedTuple

import grpc

from msgstate.v1 import event_pb2
from msgstate.v1 import event_service_pb2 as pb
from tests.rpc.running import DEADLINE, Client


class Ended(NamedTuple):
    """The acknowledgements that came before the stream ended, and the error that ended it; None after a half-close."""

    acknowledged: list[pb.StreamEventsResponse]
    error: grpc.aio.AioRpcError | None

    @property
    def batch_ids(self) -> list[int]:
        return [response.batch_id for response in self.acknowledged]

    @property
    def counts(self) -> list[tuple[int, int, int]]:
        """How many events of each batch were new, doubled and refused."""
        return [(response.accepted, response.duplicates, len(response.refused)) for response in self.acknowledged]


def requests(*batches: Sequence[event_pb2.Event]) -> list[pb.StreamEventsRequest]:
    """One request per batch, numbered from 1."""
    return [pb.StreamEventsRequest(batch_id=number, events=batch) for number, batch in enumerate(batches, 1)]


async def stream(client: Client, sent: Sequence[pb.StreamEventsRequest]) -> Ended:
    """Send all, half-close, and read to the end."""
    return await ended(client.events.StreamEvents(iter(sent), timeout=DEADLINE))


async def ended(call: AsyncIterable[pb.StreamEventsResponse]) -> Ended:
    """Read a stream to its end."""
    acknowledged: list[pb.StreamEventsResponse] = []
    try:
        async for response in call:
            acknowledged.append(response)  # noqa: PERF401  (what came before the error counts)
    except grpc.aio.AioRpcError as error:
        return Ended(acknowledged, error)
    return Ended(acknowledged, None)
