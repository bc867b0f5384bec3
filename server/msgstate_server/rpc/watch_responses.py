"""The encoded responses of both watches, assembled from items that are encoded once."""

from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

from msgstate.v1 import message_status_service_pb2 as pb
from msgstate_server.domain.log import LogEntry
from msgstate_server.rpc.conversion import write_entry, write_transition
from msgstate_server.watch import Wire
from msgstate_server.watch.token import Token

Response = TypeVar("Response", pb.WatchTransitionsResponse, pb.WatchEventsResponse)


class _Responses(Generic[Response]):
    """The responses of one kind of watch. In protobuf, concatenated messages merge into one message."""

    def __init__(self, response: type[Response], add: Callable[[Response, LogEntry], None]) -> None:
        """`add` adds a log entry to a response."""
        self._response: Callable[..., Response] = response
        self._add: Callable[[Response, LogEntry], None] = add

    def item(self, entry: LogEntry) -> bytes:
        """See `Wire`: a response that holds only this item."""
        response: Response = self._response()
        self._add(response, entry)
        return response.SerializeToString()

    def response(self, items: Sequence[bytes], token: Token, live: bool, head_position: int) -> bytes:
        """See `Wire`."""
        phase = pb.WATCH_PHASE_LIVE if live else pb.WATCH_PHASE_CATCHING_UP
        rest: Response = self._response(resume_token=token.encode(), phase=phase, head_position=head_position)
        return b"".join((*items, rest.SerializeToString()))


def _add_transition(response: pb.WatchTransitionsResponse, entry: LogEntry) -> None:
    write_transition(response.transitions.add(), entry)


def _add_entry(response: pb.WatchEventsResponse, entry: LogEntry) -> None:
    write_entry(response.entries.add(), entry)


TRANSITIONS: Final[Wire] = _Responses(pb.WatchTransitionsResponse, _add_transition)
"""The responses of `WatchTransitions`."""
EVENTS: Final[Wire] = _Responses(pb.WatchEventsResponse, _add_entry)
"""The responses of `WatchEvents`."""
