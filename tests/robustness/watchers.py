"""Watchers that write down every stream: what they asked, each response, and how it ended."""

import asyncio
import random
from typing import Final, TypeAlias

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from msgstate.v1 import message_status_service_pb2 as pb
from msgstate.v1 import message_status_service_pb2_grpc
from tests.robustness.archive import Archive
from tests.robustness.clients import PAUSE_SECONDS, Servers, pause, retry_seconds, status_of
from tests.robustness.habits import LONGEST_SILENCE, Habit, Known
from tests.robustness.history import EARLIEST, NOW, History, Response, Segment, now
from tests.robustness.rows import Wanted, place, rows_of_entries, rows_of_transitions

COMPACTED: Final = "OUT_OF_RANGE/POSITION_COMPACTED"
_WANDERING: Final = 0.5
"""The share of streams before which a watcher goes to another server."""
LEFT: Final = "LEFT"
"""How a stream ended that its watcher had enough of."""

Stub: TypeAlias = "message_status_service_pb2_grpc.MessageStatusServiceAsyncStub"
Request: TypeAlias = pb.WatchTransitionsRequest | pb.WatchEventsRequest
Call: TypeAlias = (
    "grpc.aio.UnaryStreamCall[pb.WatchTransitionsRequest, pb.WatchTransitionsResponse]"
    " | grpc.aio.UnaryStreamCall[pb.WatchEventsRequest, pb.WatchEventsResponse]"
)


class Watcher:
    """One watcher with its habit: it connects, reads for a while, disconnects, and connects again."""

    def __init__(self, habit: Habit, history: History, archive: Archive, chosen: random.Random) -> None:
        self.habit = habit
        self._history = history
        self._archive = archive
        self._chosen = chosen
        self._last = ""
        self._call: Call | None = None
        self.segment: Segment | None = None
        """The stream that is open, or was last."""

    def covers(self, position: int) -> bool:
        """Whether it was told, on the stream that is open, all that it wants up to a position."""
        if self.segment is None or not self.segment.responses:
            return False
        covered = place(self.segment.responses[-1].token).position
        if self.habit.interval < LONGEST_SILENCE:
            return covered >= position
        wanted = self.segment.wanted
        return not any(wanted.matches(row) for row in self._archive.between(covered, position))

    async def run(self, servers: Servers, stopping: asyncio.Event) -> None:
        """Watch until told to stop; once `stopping` is set, the stream that is open goes on until it is cancelled."""
        async with servers.connected():
            while True:
                servers.wander(_WANDERING)
                self.segment, seconds = self._begin(), PAUSE_SECONDS
                try:
                    await self._follow(servers, self.segment, stopping)
                except grpc.aio.AioRpcError as error:
                    self.segment.end, seconds = status_of(error), retry_seconds(error)
                finally:
                    self._end(self.segment)
                if self.segment.end == COMPACTED:
                    self._last = ""
                elif self.segment.end != LEFT:
                    servers.move()
                    await asyncio.sleep(seconds)

    def _begin(self) -> Segment:
        known = Known(self._last, self._history.tokens, self._archive.last.floor)
        start = self.habit.start(self._chosen, known)
        wanted = self.habit.wanted(self._chosen)
        if isinstance(start, int):
            wanted = wanted._replace(since=start)
        segment = Segment(self.habit.name, wanted, start, now())
        self._history.segments.append(segment)
        return segment

    async def _follow(self, servers: Servers, segment: Segment, stopping: asyncio.Event) -> None:
        stub = message_status_service_pb2_grpc.MessageStatusServiceStub(servers.channel)
        self._call = call = open_watch(stub, self._request(segment), waits=not servers.are_several)
        stalls = self._chosen.randrange(*self.habit.responses) // 2
        responses = self._chosen.randrange(*self.habit.responses)
        async for response in call:
            self._keep(segment, response)
            number = len(segment.responses)
            if number == stalls and self.habit.stall_seconds:
                await pause(stopping, self.habit.stall_seconds)
            if number >= responses and not stopping.is_set():
                segment.end = LEFT
                return
        segment.end = "OK"

    def _keep(self, segment: Segment, response: pb.WatchTransitionsResponse | pb.WatchEventsResponse) -> None:
        rows = (
            rows_of_entries(response.entries)
            if isinstance(response, pb.WatchEventsResponse)
            else rows_of_transitions(response.transitions)
        )
        token, live = response.resume_token, response.phase == pb.WATCH_PHASE_LIVE
        segment.responses.append(Response(now(), self._history.once(rows), token, live, response.head_position))
        self._history.tokens.append(token)
        self._last = token

    def _end(self, segment: Segment) -> None:
        segment.closed = now()
        segment.end = segment.end or LEFT
        if self._call is not None:
            self._call.cancel()

    def _request(self, segment: Segment) -> Request:
        wanted, request = segment.wanted, _request(segment.wanted)
        request.checkpoint_interval.CopyFrom(Duration(seconds=self.habit.interval))
        request.max_batch_size = self.habit.max_batch
        request.shard_index, request.shard_count = wanted.shard_index, wanted.shard_count
        if isinstance(segment.start, int):
            seconds, micros = divmod(segment.start, 1_000_000)
            request.start_time.CopyFrom(Timestamp(seconds=seconds, nanos=micros * 1_000))
        elif segment.start == EARLIEST:
            request.start_point = pb.START_POINT_EARLIEST
        elif segment.start == NOW:
            request.start_point = pb.START_POINT_NOW
        else:
            request.resume_token = segment.start
        return request


def open_watch(stub: Stub, request: Request, *, waits: bool = True) -> Call:
    """Open a watch, once the server can be reached where one `waits` for it: the rpc is the request's."""
    if isinstance(request, pb.WatchEventsRequest):
        return stub.WatchEvents(request, wait_for_ready=waits)
    return stub.WatchTransitions(request, wait_for_ready=waits)


def _request(wanted: Wanted) -> Request:
    texts = {
        "providers": wanted.providers,
        "message_ids": wanted.message_ids,
        "recipients": wanted.recipients,
        "to_states": wanted.to_states,
    }
    if wanted.transitions:
        return pb.WatchTransitionsRequest(filter=pb.TransitionFilter(**texts))  # type: ignore[arg-type]
    return pb.WatchEventsRequest(filter=pb.EventFilter(types=wanted.types, **texts))  # type: ignore[arg-type]
