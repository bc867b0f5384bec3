"""What a watcher that never reads costs: `stalled_watchers [live|earliest] [FILTERS] [WATCHERS] [EVENTS]`.

Half of the watchers read all, with empty filters; the others nothing but what gRPC takes by itself, while events of
about 1 KiB are published, of 500 messages. `live` ones are there before the events and overflow; `earliest` ones come
after half of them. All their filters match everything: they are all empty (`equal`), or each is another (`distinct`),
or each is another that has three full lists, 64 KiB in all (`large`). The two halves have ten channels each, every one
a connection of its own, since the calls of a connection share its flow control.
Several kinds are separated by commas. Prints as JSON, of each kind, the resident bytes of the server's process before
and after, and after the same without the stalled half; and the difference of these two for each of them.
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from resource import getpagesize
from typing import Final, NamedTuple, TypeAlias

import grpc

from msgstate.v1 import event_service_pb2
from msgstate.v1 import message_status_service_pb2 as pb
from msgstate_server.domain.limits import FILTER_BYTES
from tests.bench.processes import serve, started
from tests.bench.workload import event, message_id

_CHANNELS: Final = 10
_BATCH: Final = 500
_DETAIL: Final = "d" * 850
_MESSAGES: Final = [message_id(number) for number in range(_BATCH)]
_FULL: Final = 1_000
_WARM_EVENTS: Final = 5_000
_LAST: Final = b"the last event"
_OPTIONS: Final = (("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1))

Call: TypeAlias = "grpc.aio.UnaryStreamCall[bytes, bytes]"
Watch: TypeAlias = "grpc.aio.UnaryStreamMultiCallable[bytes, bytes]"


class Load(NamedTuple):
    """How many watch, from where, with which filters, while how much is published."""

    start: "pb.StartPoint.ValueType"
    filters: str
    readers: int
    stalled: int
    events: int


def resident(pid: int) -> int:
    """The bytes of memory that a process has."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * getpagesize()


def batch(first: int, end: int = 0) -> bytes:
    """A request to publish some events of about 1 KiB; what ends at `end` has the last event."""
    events = [event(number) for number in range(first, first + _BATCH)]
    for each, about in zip(events, _MESSAGES, strict=True):
        each.message_id, each.recipient, each.detail = about, f"reader-of-{about}", _DETAIL
    if first + _BATCH == end:
        events[-1].detail = _LAST.decode()
    return event_service_pb2.PublishEventsRequest(events=events).SerializeToString()


def wanted(filters: str, number: int) -> pb.EventFilter:
    """The filter of one of those who do not read."""
    match filters:
        case "equal":
            return pb.EventFilter()
        case "distinct":
            return pb.EventFilter(providers=["emailit", f"other-{number}"])
    return large(number)


def large(number: int) -> pb.EventFilter:
    """A filter that is as large as it may be, matches everything, and equals no other."""
    filled = pb.EventFilter(
        message_ids=[*_MESSAGES, *(f"own-{number}-{each}" for each in range(_BATCH, _FULL))],
        recipients=[f"reader-of-{each}" for each in _MESSAGES],
        providers=["emailit", *(f"own-{number}-{each}" for each in range(1, _FULL))],
    )
    size = (FILTER_BYTES - filled.ByteSize()) // (_FULL - _BATCH) - 2
    filled.recipients.extend(f"own-{number}-{each}-".ljust(size, "r") for each in range(_BATCH, _FULL))
    return filled


async def opened(
    watches: Sequence[Watch], filters: Iterable[pb.EventFilter], start: "pb.StartPoint.ValueType"
) -> list[Call]:
    """A watch for each filter, spread over the channels, each read once: then it stands at its start."""
    requests = [pb.WatchEventsRequest(start_point=start, filter=each).SerializeToString() for each in filters]
    calls = [watches[number % len(watches)](request) for number, request in enumerate(requests)]
    for call in calls:
        await call.read()
    return calls


async def read_to_the_end(call: Call) -> None:
    """Read everything up to the last event, decoding nothing."""
    data = b""
    while _LAST not in data:
        read = await call.read()
        assert isinstance(read, bytes), "the watch ended"
        data = read


async def measure(address: str, pid: int, load: Load) -> tuple[int, int]:
    """Run it; gives the server's memory before the watches and after all that is read was read."""
    async with AsyncExitStack() as open_channels:

        async def channel() -> grpc.aio.Channel:
            return await open_channels.enter_async_context(grpc.aio.insecure_channel(address, options=_OPTIONS))

        publish: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = (await channel()).unary_unary(
            "/msgstate.v1.EventService/PublishEvents"
        )
        watch = "/msgstate.v1.MessageStatusService/WatchEvents"
        channels = [await channel() for _ in range(2 * _CHANNELS)]
        watches: list[Watch] = [each.unary_stream(watch) for each in channels]
        for first in range(0, _WARM_EVENTS, _BATCH):
            await publish(batch(first))
        before = resident(pid)
        readers = await opened(watches[:_CHANNELS], [pb.EventFilter()] * load.readers, pb.START_POINT_NOW)
        end = _WARM_EVENTS + load.events
        reading = asyncio.gather(*map(read_to_the_end, readers))
        stalled: list[Call] = []
        for first in range(_WARM_EVENTS, end, _BATCH):
            if not stalled and (load.start == pb.START_POINT_NOW or first >= end // 2):
                filters = [wanted(load.filters, number) for number in range(load.stalled)]
                stalled = await opened(watches[_CHANNELS:], filters, load.start)
            await publish(batch(first, end))
        await reading
        after = resident(pid)
        for call in (*readers, *stalled):
            call.cancel()
    return before, after


def run(load: Load) -> tuple[int, int]:
    """Measure one load against a server of its own."""
    with tempfile.TemporaryDirectory() as folder, started(*serve(Path(folder) / "stalled.db")) as server:
        return asyncio.run(measure(server.grpc, server.pid, load))


def main() -> None:
    """Measure without those who never read, and with them, once for each of the filters."""
    starts = {"live": pb.START_POINT_NOW, "earliest": pb.START_POINT_EARLIEST}
    start, filters, watchers, events = [*sys.argv[1:], *("live", "equal", "1000", "100000")[len(sys.argv) - 1 :]]
    half = int(watchers) // 2
    load = Load(starts[start], "", half, half, int(events))
    _, without = run(load._replace(stalled=0))
    found: dict[str, dict[str, float]] = {}
    for kind in filters.split(","):
        before, after = run(load._replace(filters=kind))
        found[kind] = {"before": before, "after": after, "without": without, "per_stalled": (after - without) / half}
    print(json.dumps(found))  # noqa: T201


if __name__ == "__main__":
    main()
