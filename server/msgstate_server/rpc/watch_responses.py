"""What a watch sends: entries as watchers get them, built once however many watch, in responses of bounded size."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final, Generic, TypeVar

from google.protobuf.internal.containers import RepeatedCompositeFieldContainer
from google.protobuf.message import Message

from msgstate.v1 import log_pb2
from msgstate.v1 import message_status_service_pb2 as pb
from msgstate_server.domain.limits import RESPONSE_BYTES
from msgstate_server.domain.log import LogEntry
from msgstate_server.rpc.conversion import FIELD_OVERHEAD, HEADROOM, entry_to_proto, transition_to_proto
from msgstate_server.watch import Batch
from msgstate_server.watch.token import Token

_KEPT: Final = 1_024
"""Items that are kept: live watchers get the same ones within moments of each other."""

Item = TypeVar("Item", bound=Message)
Response = TypeVar("Response", pb.WatchTransitionsResponse, pb.WatchEventsResponse)


class WatchResponses(Generic[Item, Response]):
    """The responses to all watches of one kind."""

    def __init__(
        self,
        response: type[Response],
        items: Callable[[Response], "RepeatedCompositeFieldContainer[Item]"],
        convert: Callable[[LogEntry], Item],
    ) -> None:
        """A `response` has its `items`, of which each is what `convert` makes of an entry of the log."""
        self._response: Callable[..., Response] = response
        self._items: Callable[[Response], RepeatedCompositeFieldContainer[Item]] = items
        self._convert = convert
        self._recent: dict[int, tuple[Item, int]] = {}

    def of(self, batch: Batch) -> Iterator[Response]:
        """The batch as one response, or as several where it is larger than a response may be."""
        response, size = self._begin(batch), 0
        last: LogEntry | None = None
        for entry in batch.entries:
            item, added = self._item(entry)
            if last is not None and size + added > RESPONSE_BYTES - HEADROOM:
                response.resume_token = Token(batch.token.log_id, last.position, last.fingerprint).encode()
                yield response
                response, size = self._begin(batch), 0
            self._items(response).append(item)
            size += added
            last = entry
        response.resume_token = batch.token.encode()
        if batch.live:
            response.phase = pb.WATCH_PHASE_LIVE
        yield response

    def _begin(self, batch: Batch) -> Response:
        response: Response = self._response(phase=pb.WATCH_PHASE_CATCHING_UP, head_position=batch.head_position)
        return response

    def _item(self, entry: LogEntry) -> tuple[Item, int]:
        """An entry as it is sent, not to be changed, and the bytes that it takes in a response."""
        found = self._recent.get(entry.position)
        if found is None:
            item = self._convert(entry)
            found = item, item.ByteSize() + FIELD_OVERHEAD
            self._recent[entry.position] = found
            for position in list(islice(self._recent, max(0, len(self._recent) - _KEPT))):
                del self._recent[position]
        return found


def transition_responses() -> WatchResponses[log_pb2.Transition, pb.WatchTransitionsResponse]:
    """The responses of `WatchTransitions`."""
    return WatchResponses(pb.WatchTransitionsResponse, lambda response: response.transitions, transition_to_proto)


def event_responses() -> WatchResponses[log_pb2.LogEntry, pb.WatchEventsResponse]:
    """The responses of `WatchEvents`."""
    return WatchResponses(pb.WatchEventsResponse, lambda response: response.entries, entry_to_proto)
