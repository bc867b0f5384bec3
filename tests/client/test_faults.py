"""What servers do that are lost, late or at their limits at the worst moment."""

import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import grpc
import pytest

import msgstate
from msgstate import AsyncClient, Published, PublishedBatch, Transition
from msgstate._start import Start
from msgstate._sync import transport
from msgstate._sync.calls import Calls
from msgstate._sync.resuming import Resuming
from msgstate.v1 import message_status_service_pb2 as pb
from msgstate.v1.event_service_pb2 import StreamEventsRequest, StreamEventsResponse
from tests.client.conftest import Connect
from tests.client.driven import Loop
from tests.client.samples import event
from tests.client.scripted import PLACE, acknowledged, retry_later, serving
from tests.ports import free_port

SLOW = 0.6
TIMEOUT = 0.4


def test_the_caller_may_take_longer_than_the_timeout(connect: Connect) -> None:
    """Neither a slow `on_batch` nor slow events use up the time that the server has."""

    def publishing(requests: Iterator[StreamEventsRequest], _: grpc.ServicerContext) -> Iterator[StreamEventsResponse]:
        for request in requests:
            time.sleep(0.02)
            yield acknowledged(request)
        time.sleep(0.02)

    def slow_events() -> Iterator[msgstate.Event]:
        yield event("m")
        time.sleep(SLOW)

    def slow_callback(_: PublishedBatch) -> None:
        time.sleep(SLOW)

    with serving(publishing=publishing) as address:
        client = connect(address, timeout=TIMEOUT)
        assert Published(1, 0, [], PLACE) == client.publish([event("m")], on_batch=slow_callback)
        assert Published(1, 0, [], PLACE) == client.publish(slow_events())


@pytest.mark.parametrize("lost", [True, False], ids=["lost", "silent"])
def test_what_is_acknowledged_is_published(connect: Connect, lost: bool) -> None:
    """A server that is lost, or silent, once it has acknowledged every batch fails nothing."""
    over = threading.Event()

    def publishing(
        requests: Iterator[StreamEventsRequest], context: grpc.ServicerContext
    ) -> Iterator[StreamEventsResponse]:
        for request in requests:
            yield acknowledged(request)
        if lost:
            context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
        over.wait(10)

    with serving(publishing=publishing) as address:
        try:
            published = connect(address, timeout=TIMEOUT, retry=False).publish([event("m")])
        finally:
            over.set()

    assert Published(1, 0, [], PLACE) == published


def theirs() -> pytest.RaisesExc[KeyError]:
    """Expects the caller's own error."""
    return pytest.raises(KeyError, match="theirs")


def failing(cause: Exception) -> Iterator[msgstate.Event]:
    """Raises an error that has a cause."""
    yield event("m")
    raise KeyError("theirs") from cause


def test_the_callers_own_error_keeps_its_cause(connect: Connect) -> None:
    """What the caller's events raise comes out with the cause that they gave it."""
    cause = OSError("disk full")
    with serving(publishing=lambda requests, _: map(acknowledged, requests)) as address, theirs() as raised:
        connect(address).publish(failing(cause))

    assert cause is raised.value.__cause__


def test_no_generator_is_left_open() -> None:
    """Where publishing fails, an AsyncClient ends what went through the events."""
    opened: list[Any] = []

    def fail(_: PublishedBatch) -> None:
        raise KeyError("theirs")

    async def publish(address: str) -> None:
        sys.set_asyncgen_hooks(firstiter=opened.append)
        async with AsyncClient(address) as client:
            await client.publish([event("m")] * 10, batch_size=1, on_batch=fail)

    loop = Loop()
    try:
        with serving(publishing=lambda requests, _: map(acknowledged, requests)) as address, theirs() as raised:
            loop.run(publish(address))
    finally:
        loop.close()

    assert raised.value.__traceback__ is not None
    assert [None] == [generator.ag_frame for generator in opened if generator.ag_code.co_name == "each"]


def test_a_watch_waits_for_room_to_resume(connect: Connect) -> None:
    """A watch that was open goes on trying where a server near its limit says when to come back; a new one does not."""
    calls = 0

    def watching(_: pb.WatchTransitionsRequest, context: grpc.ServicerContext) -> Iterator[pb.WatchTransitionsResponse]:
        nonlocal calls
        calls += 1
        if calls in {2, 4}:
            context.set_trailing_metadata(retry_later())
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many watches")
        yield pb.WatchTransitionsResponse(resume_token=f"t{calls}")

    with serving(watching=watching) as address:
        client = connect(address)
        with client.watch() as watch:
            batches = watch.batches()
            assert ["t1", "t3"] == [next(batches).resume_token, next(batches).resume_token]
        with pytest.raises(msgstate.ResourceExhausted), client.watch():
            pass


def test_a_watch_at_its_limit_for_good_ends(connect: Connect) -> None:
    """A server that has no room, and does not say when to come back, ends a watch."""

    def watching(
        request: pb.WatchTransitionsRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.WatchTransitionsResponse]:
        if request.resume_token:
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too large")
        yield pb.WatchTransitionsResponse(resume_token=PLACE)

    with (
        serving(watching=watching) as address,
        connect(address).watch() as watch,
        pytest.raises(msgstate.ResourceExhausted),
    ):
        next(watch)


def committed(message_id: str, time: datetime) -> Transition:
    """A transition that stands in the log since then."""
    transition = Transition(message_id=message_id)
    transition.commit_time.FromDatetime(time)
    return transition


def test_a_start_ahead_of_now_outlives_its_connection(connect: Connect) -> None:
    """A watch that resumes before the time at which it starts still gives nothing that was committed earlier."""
    start = datetime(2100, 1, 1, tzinfo=UTC)
    earlier, later = committed("earlier", start - timedelta(microseconds=1)), committed("later", start)
    resumed = {PLACE: ("t1", [earlier]), "t1": ("t2", [earlier, later]), "t2": ("t3", [earlier])}

    def watching(request: pb.WatchTransitionsRequest, _: grpc.ServicerContext) -> Iterator[pb.WatchTransitionsResponse]:
        token, transitions = resumed.get(request.resume_token, (PLACE, []))
        yield pb.WatchTransitionsResponse(resume_token=token, transitions=transitions)

    with serving(watching=watching) as address, connect(address).watch(start) as watch:
        batches = islice(watch.batches(), 4)
        found = [(batch.resume_token, [each.message_id for each in batch.entries]) for batch in batches]

    # What comes after the first is not looked at: the log is in order of time.
    assert [(PLACE, []), ("t1", []), ("t2", ["later"]), ("t3", ["earlier"])] == found


class Opened(transport.Stream[Any]):
    """A stream that nothing comes from."""

    def __init__(self) -> None:
        self.cancelled = False

    def read(self, seconds: float | None = None) -> Any:
        raise msgstate.MsgstateError("cancelled" if self.cancelled else f"open for {seconds} s")

    def cancel(self) -> None:
        self.cancelled = True


def test_close_ends_a_stream_that_is_just_being_opened() -> None:
    """A watch that is closed from another thread while it asks for its stream cancels that stream."""
    stream = Opened()

    def open_while_closing(_: transport.Connection, __: Start) -> transport.Stream[Any]:
        resuming.close()
        return stream

    calls = Calls([f"127.0.0.1:{free_port()}"], 1, retry=False)
    resuming = Resuming[Any](calls, open_while_closing)
    with pytest.raises(msgstate.ClientClosed) as raised:
        resuming.begin(msgstate.NOW)
    calls.close()

    assert "cancelled" == str(raised.value.__cause__)


def test_a_wait_for_a_silent_server_times_out(connect: Connect) -> None:
    """A wait that is shorter than the client's timeout raises WaitTimeout, also where the server never answered."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(msgstate.WaitTimeout, match="no message with the id or alias 'm' was seen"):
            connect(address, timeout=10).wait_for("m", timeout=0.2)
        with pytest.raises(msgstate.DeadlineExceeded):
            connect(address, timeout=0.2).wait_for("m", timeout=10)


class LateTimer:
    """A timer that was running already when it was cancelled."""

    def __init__(self, _: float, function: Callable[[], None]) -> None:
        self.daemon = False
        self._function = function

    def start(self) -> None:
        """Nothing yet."""

    def cancel(self) -> None:
        """Too late."""

    def run(self) -> None:
        """Go off."""
        self._function()


def test_an_alarm_does_not_ring_after_its_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """A timer that can no longer be cancelled rings nothing once the block is left."""
    timers: list[LateTimer] = []

    def late(seconds: float, function: Callable[[], None]) -> LateTimer:
        timers.append(LateTimer(seconds, function))
        return timers[-1]

    rung: list[str] = []
    monkeypatch.setattr(threading, "Timer", late)
    alarm = transport.Alarm(1, lambda: rung.append("rung"))
    with alarm:
        pass
    timers[0].run()

    assert ([], False) == (rung, alarm.rang)


RETRIED = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
OTHERS = sorted(set(grpc.StatusCode) - RETRIED - {grpc.StatusCode.OK}, key=str)


@pytest.mark.parametrize("code", OTHERS, ids=str)
def test_only_what_is_unavailable_is_tried_again(connect: Connect, code: grpc.StatusCode) -> None:
    """A call that fails in any other way is made once."""
    attempts: list[str] = []

    def status(request: pb.GetMessageStatusRequest, context: grpc.ServicerContext) -> pb.GetMessageStatusResponse:
        attempts.append(request.message_id)
        context.abort(code, "no")

    with serving(status=status) as address, pytest.raises(msgstate.MsgstateError):
        connect(address, timeout=1).get_status("m")
    assert attempts == ["m"]


@pytest.mark.parametrize("code", sorted(RETRIED, key=str), ids=str)
def test_what_is_unavailable_is_tried_until_it_is_not(connect: Connect, code: grpc.StatusCode) -> None:
    """A call goes on through a server that is unavailable or cuts it off twice, and not at all without `retry`."""
    attempts: list[str] = []

    def status(request: pb.GetMessageStatusRequest, context: grpc.ServicerContext) -> pb.GetMessageStatusResponse:
        attempts.append(request.message_id)
        if len(attempts) < 3:
            context.abort(code, "not now")
        return pb.GetMessageStatusResponse(resume_token=PLACE)

    with serving(status=status) as address:
        with pytest.raises(msgstate.ServerUnavailable):
            connect(address, retry=False).get_status("m")
        assert attempts == ["m"]
        assert connect(address).get_status("m").resume_token == PLACE
        assert attempts == ["m"] * 3
