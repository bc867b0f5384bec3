"""Servers of one log within the test's own process, which can be killed, drained and started again each by itself."""

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as Packed
from google.rpc import error_details_pb2, status_pb2

from msgstate import Transition
from msgstate.v1 import message_status_service_pb2 as pb
from tests.ports import free_port

# A HealthCheckResponse as it is encoded: the client's environment has no package for it.
SERVING = b"\x08\x01"
NOT_SERVING = b"\x08\x02"
NEVER = 3_600


class Log:
    """What all replicas tell of: transitions, numbered from 1."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.length = 0

    def append(self) -> None:
        """One more."""
        self.length += 1
        self.wake()

    def wake(self) -> None:
        """Let those who wait look again."""
        with self.changed:
            self.changed.notify_all()


class Replica:
    """A server that answers GetMessageStatus with its own address, and WatchTransitions from the log."""

    def __init__(self, log: Log, *options: tuple[str, int]) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        self.answered = 0
        self.refused = 0
        self.held = 0
        self.watching = 0
        """How many watches are open here, of those that were not told to go."""
        self._log = log
        self._options = options
        self._holds = self._refuses = self._drains = False
        self._server: grpc.Server | None = None

    def start(self) -> None:
        """Serve."""
        self._holds = self._refuses = self._drains = False
        self.watching = 0
        self._server = grpc.server(ThreadPoolExecutor(32), options=(("grpc.so_reuseport", 0), *self._options))
        get = grpc.unary_unary_rpc_method_handler(
            self._get, pb.GetMessageStatusRequest.FromString, pb.GetMessageStatusResponse.SerializeToString
        )
        watch = grpc.unary_stream_rpc_method_handler(
            self._watch, pb.WatchTransitionsRequest.FromString, pb.WatchTransitionsResponse.SerializeToString
        )
        health: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_stream_rpc_method_handler(self._health)
        services: dict[str, dict[str, grpc.RpcMethodHandler[Any, Any]]] = {
            "msgstate.v1.MessageStatusService": {"GetMessageStatus": get, "WatchTransitions": watch},
            "grpc.health.v1.Health": {"Watch": health},
        }
        for service, handlers in services.items():
            self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
        assert self._server.add_insecure_port(self.address)
        self._server.start()

    def kill(self) -> None:
        """End it with all its calls, if it runs."""
        server, self._server = self._server, None
        if server is not None:
            stopped = server.stop(None)
            self._log.wake()
            stopped.wait()

    def hold(self) -> None:
        """Keep every answer back."""
        self.held, self._holds = 0, True

    def release(self) -> None:
        """Give what was kept back."""
        self._holds = False
        self._log.wake()

    def drain(self) -> None:
        """Say so to those who watch its health."""
        self._drains = True
        self._log.wake()

    def recover(self) -> None:
        """Say that it serves again."""
        self._drains = False
        self._log.wake()

    def refuse(self) -> None:
        """Refuse every new call and end every watch; of its health it tells those alone who ask from now on."""
        self._refuses = True
        self.watching = 0
        self._log.wake()

    def _get(self, _: pb.GetMessageStatusRequest, context: grpc.ServicerContext) -> pb.GetMessageStatusResponse:
        self._admit(context)
        if self._holds:
            self.held += 1
            self._wait(context, lambda: not self._holds)
        self.answered += 1
        return pb.GetMessageStatusResponse(resume_token=self.address)

    def _watch(
        self, request: pb.WatchTransitionsRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.WatchTransitionsResponse]:
        self._admit(context)
        self.watching += 1
        token = request.resume_token or "0"
        yield pb.WatchTransitionsResponse(resume_token=token)
        for place in itertools.count(int(token) + 1):
            self._wait(context, partial(self._moves_a_watch, place))
            if self._refuses or not context.is_active():
                return
            yield pb.WatchTransitionsResponse(resume_token=str(place), transitions=[Transition(position=place)])

    def _moves_a_watch(self, place: int) -> bool:
        return self._refuses or self._log.length >= place

    def _health(self, _: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        while not self._refuses and context.is_active():
            told = self._drains
            yield NOT_SERVING if told else SERVING
            self._wait(context, lambda told=told: self._drains != told)  # type: ignore[misc]
        yield NOT_SERVING
        self._wait(context, lambda: False)

    def _admit(self, context: grpc.ServicerContext) -> None:
        if self._refuses:
            self.refused += 1
            context.set_trailing_metadata(_draining())
            context.abort(grpc.StatusCode.UNAVAILABLE, "the service is shutting down")

    def _wait(self, context: grpc.ServicerContext, condition: Callable[[], bool]) -> None:
        """Return when it holds, or the call has ended."""
        context.add_callback(self._log.wake)
        with self._log.changed:
            self._log.changed.wait_for(lambda: condition() or not context.is_active())


def _draining() -> Any:
    """The trailers of a server that drains, and asks to be left alone for longer than any test waits."""
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromSeconds(NEVER)
    details = [Packed(), Packed()]
    for detail, message in zip(details, (error_details_pb2.ErrorInfo(reason="DRAINING"), retry), strict=True):
        detail.Pack(message)
    status = status_pb2.Status(code=grpc.StatusCode.UNAVAILABLE.value[0], details=details)
    return (("grpc-status-details-bin", status.SerializeToString()),)
