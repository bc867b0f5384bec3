"""Reads watch requests: refuses invalid values and clamps values that are out of range."""

from typing import TypeAlias

from msgstate.v1 import message_status_service_pb2 as pb
from msgstate_server.domain.errors import InvalidRequest
from msgstate_server.domain.identity import normalize_id, normalize_recipient
from msgstate_server.domain.limits import (
    CHECKPOINT_SECONDS,
    CHECKPOINT_SECONDS_DEFAULT,
    FILTER_BYTES,
    WATCH_BATCH,
)
from msgstate_server.domain.validation import Violation
from msgstate_server.rpc.conversion import time_from_proto
from msgstate_server.rpc.filter_fields import read_metadata, read_states, read_texts, read_types
from msgstate_server.rpc.watch_responses import EVENTS, TRANSITIONS
from msgstate_server.watch import WatchRequest, Wire
from msgstate_server.watch.filter import Filter
from msgstate_server.watch.names import names
from msgstate_server.watch.start import Start, StartPoint
from msgstate_server.watch.token import Token

Request: TypeAlias = pb.WatchTransitionsRequest | pb.WatchEventsRequest


def read_watch_request(request: Request) -> WatchRequest:
    """The watch that the request asks for; raises `InvalidRequest`."""
    found: list[Violation] = []
    start = _read_start(request, found)
    wanted = _read_filter(request, found)
    if found:
        raise InvalidRequest(found)
    wire: Wire = EVENTS if isinstance(request, pb.WatchEventsRequest) else TRANSITIONS
    return WatchRequest(start, wanted, wire, _read_interval(request), _read_max_batch(request))


def _read_start(request: Request, found: list[Violation]) -> Start:
    match request.WhichOneof("start"):
        case "resume_token":
            return Token.decode(request.resume_token)
        case "start_time":
            return time_from_proto(request.start_time, "start_time", found)
        case "start_point" if request.start_point == pb.START_POINT_EARLIEST:
            return StartPoint.EARLIEST
        case "start_point" if request.start_point not in (pb.START_POINT_UNSPECIFIED, pb.START_POINT_NOW):
            found.append(Violation("start_point", f"must be EARLIEST or NOW; found {request.start_point}"))
    return StartPoint.NOW


def _read_filter(request: Request, found: list[Violation]) -> Filter:
    wanted = request.filter
    read = Filter(
        providers=names(read_texts("filter.providers", wanted.providers, found)),
        message_ids=names(map(normalize_id, read_texts("filter.message_ids", wanted.message_ids, found))),
        recipients=names(map(normalize_recipient, read_texts("filter.recipients", wanted.recipients, found))),
        message_refs=names(map(normalize_id, read_texts("filter.message_refs", wanted.message_refs, found))),
        metadata=read_metadata(wanted, found),
        to_states=read_states("filter.to_states", wanted.to_states, found),
        shard_index=request.shard_index,
        shard_count=max(1, request.shard_count),
        moved_alone=isinstance(request, pb.WatchTransitionsRequest),
    )
    if isinstance(wanted, pb.EventFilter):
        read = read._replace(types=read_types("filter.types", wanted.types, found))
    if wanted.ByteSize() > FILTER_BYTES:
        rule = f"must be at most {FILTER_BYTES} bytes for all values together"
        found.append(
            Violation("filter", f"{rule}; found {wanted.ByteSize()}; filter the received entries, or use two watches")
        )
    if request.shard_count < 0:
        found.append(Violation("shard_count", f"must be 0 or more; found {request.shard_count}"))
    elif not 0 <= request.shard_index < max(1, request.shard_count):
        rule = f"must be 0 to shard_count - 1, which is {max(1, request.shard_count) - 1}"
        found.append(Violation("shard_index", f"{rule}; found {request.shard_index}"))
    return read


def _read_interval(request: Request) -> float:
    if not request.HasField("checkpoint_interval"):
        return CHECKPOINT_SECONDS_DEFAULT
    shortest, longest = CHECKPOINT_SECONDS
    seconds = request.checkpoint_interval.seconds + request.checkpoint_interval.nanos / 1e9
    return min(max(seconds, shortest), longest)


def _read_max_batch(request: Request) -> int:
    return min(max(request.max_batch_size, 1), WATCH_BATCH) if request.max_batch_size else WATCH_BATCH
