# Generated from _async/waiting.py by scripts/make_sync.py: change that one and run `make generate`.
"""Waiting for one message to get somewhere."""

from collections.abc import Callable
from typing import Final, TypeAlias

from grpc import StatusCode

from msgstate._start import NOW
from msgstate._sync.resuming import Resuming
from msgstate._sync.transport import Alarm
from msgstate._timing import Deadline
from msgstate._values import Batch
from msgstate._wait_rules import WaitRules
from msgstate.errors import ClientClosed, DeadlineExceeded, MessageNotFound, ServerUnavailable, WaitTimeout
from msgstate.v1 import message_status_service_pb2 as pb
from msgstate.v1.log_pb2 import Transition
from msgstate.v1.status_pb2 import MessageStatus

_ASK_SECONDS: Final = 1
"""How often a message that nobody knows is asked for: the id may be an alias, which no watch can filter for."""

IsFinal: TypeAlias = Callable[[MessageStatus], bool]
Read: TypeAlias = Callable[[pb.GetMessageStatusRequest, float], pb.GetMessageStatusResponse]
Follow: TypeAlias = Callable[[pb.WatchTransitionsRequest], Resuming[Transition]]


class Waiting:
    """One wait: what is looked for, and until when."""

    def __init__(  # noqa: PLR0913  (what it needs of the client, and what was asked)
        self,
        read: Read,
        is_final: IsFinal,
        follow: Follow,
        *,
        wanted: pb.GetMessageStatusRequest,
        rules: WaitRules,
        seconds: float,
    ) -> None:
        self._read_status = read
        self._is_final = is_final
        self._follow = follow
        self._wanted = wanted
        self._rules = rules
        self._seconds = seconds
        self._deadline = Deadline(seconds)

    def run(self, first_timeout: float) -> MessageStatus:
        """The status once it is as wanted; the server must be reached for the first time within the first timeout."""
        known = self._first(first_timeout)
        try:
            while known is None or not self._is_met(known.status):
                known = self._next(known)
        except (ServerUnavailable, DeadlineExceeded) as error:
            raise self._timeout(known) from error
        except ClientClosed as error:
            if self._deadline.remaining:
                raise
            raise self._timeout(known) from error
        return known.status

    def _first(self, first_timeout: float) -> pb.GetMessageStatusResponse | None:
        try:
            return self._read(min(first_timeout, self._seconds))
        except DeadlineExceeded as error:
            if first_timeout < self._seconds:
                raise
            raise self._timeout(None) from error

    def _is_met(self, status: MessageStatus) -> bool:
        return self._rules.is_met(status, final=self._is_final(status))

    def _next(self, known: pb.GetMessageStatusResponse | None) -> pb.GetMessageStatusResponse:
        """The status after its next transition or, where the message is not known, after its first."""
        source = self._follow(self._request(known))
        with Alarm(self._deadline.remaining, source.close):
            try:
                batch: Batch[Transition] | None = source.begin(
                    known.resume_token if known else NOW, self._deadline.remaining
                )
                while batch is not None:
                    is_asked = known is None or bool(self._wanted.message_ref)
                    found = self._read(self._deadline.remaining) if batch.entries or is_asked else None
                    if found is not None:
                        return found
                    batch = source.read()
            finally:
                source.close()
        if self._deadline.remaining:
            raise ClientClosed("the client was closed while it waited", code=StatusCode.CANCELLED)
        raise self._timeout(known)

    def _read(self, seconds: float) -> pb.GetMessageStatusResponse | None:
        try:
            return self._read_status(self._wanted, seconds)
        except MessageNotFound:
            return None

    def _request(self, known: pb.GetMessageStatusResponse | None) -> pb.WatchTransitionsRequest:
        request = pb.WatchTransitionsRequest()
        if self._wanted.message_ref:
            # An event can bring a message under the ref without moving a state, which no watch of transitions tells.
            request.filter.message_refs.append(self._wanted.message_ref)
            request.checkpoint_interval.seconds = _ASK_SECONDS
        elif known is None:
            request.filter.message_ids.append(self._wanted.message_id)
            request.checkpoint_interval.seconds = _ASK_SECONDS
        else:
            request.filter.providers.append(known.status.provider)
            request.filter.message_ids.append(known.status.message_id)
        return request

    def _timeout(self, known: pb.GetMessageStatusResponse | None) -> WaitTimeout:
        return self._rules.timeout(self._wanted, self._seconds, known.status if known else None)
