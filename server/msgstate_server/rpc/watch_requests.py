"""Reads what a caller asks of a watch, refusing what breaks a rule and clamping what is out of range."""

from collections.abc import Iterator, Sequence
from typing import Final

from msgstate.v1 import message_status_service_pb2 as pb
from msgstate_server.domain.errors import InvalidRequest
from msgstate_server.domain.limits import (
    CHECKPOINT_SECONDS,
    CHECKPOINT_SECONDS_DEFAULT,
    FILTER_VALUES,
    ID_BYTES,
    WATCH_BATCH,
)
from msgstate_server.domain.states import State
from msgstate_server.domain.validation import Violation, text_violations
from msgstate_server.rpc.conversion import time_from_proto
from msgstate_server.watch import WatchRequest
from msgstate_server.watch.filter import Filter
from msgstate_server.watch.start import Start, StartPoint
from msgstate_server.watch.token import Token

_STATES: Final = {int(state): state for state in State if state is not State.UNSPECIFIED}


def read_watch_request(request: pb.WatchTransitionsRequest) -> WatchRequest:
    """What the request asks for; raises `InvalidRequest`."""
    found: list[Violation] = []
    start = _read_start(request, found)
    wanted = _read_filter(request, found)
    if found:
        raise InvalidRequest(found)
    if isinstance(start, int):
        wanted = wanted._replace(since=start)
    return WatchRequest(start, wanted.transitions(), _read_interval(request), _read_max_batch(request))


def _read_start(request: pb.WatchTransitionsRequest, found: list[Violation]) -> Start:
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


def _read_filter(request: pb.WatchTransitionsRequest, found: list[Violation]) -> Filter:
    wanted = request.filter
    texts = {"providers": wanted.providers, "message_ids": wanted.message_ids, "recipients": wanted.recipients}
    for field, values in texts.items():
        found.extend(_text_list_violations(f"filter.{field}", values))
    if len(wanted.to_states) > FILTER_VALUES:
        found.append(_too_many("filter.to_states", len(wanted.to_states)))
    for index, number in enumerate(wanted.to_states[:FILTER_VALUES]):
        if number not in _STATES:
            found.append(Violation(f"filter.to_states[{index}]", f"must be a state, 1 to 6; found {number}"))
    if request.shard_count < 0:
        found.append(Violation("shard_count", f"must be 0 or more; found {request.shard_count}"))
    elif not 0 <= request.shard_index < max(1, request.shard_count):
        rule = f"must be 0 to shard_count - 1, which is {max(1, request.shard_count) - 1}"
        found.append(Violation("shard_index", f"{rule}; found {request.shard_index}"))
    return Filter(
        providers=frozenset(wanted.providers),
        message_ids=frozenset(wanted.message_ids),
        recipients=frozenset(wanted.recipients),
        to_states=frozenset(_STATES[number] for number in wanted.to_states if number in _STATES),
        shard_index=request.shard_index,
        shard_count=request.shard_count,
    )


def _text_list_violations(field: str, values: Sequence[str]) -> Iterator[Violation]:
    if len(values) > FILTER_VALUES:
        yield _too_many(field, len(values))
        return
    for index, value in enumerate(values):
        if not value:
            yield Violation(f"{field}[{index}]", "must not be empty; leave it out")
        yield from text_violations(f"{field}[{index}]", value, ID_BYTES)


def _too_many(field: str, count: int) -> Violation:
    return Violation(field, f"must be at most {FILTER_VALUES} values; found {count}")


def _read_interval(request: pb.WatchTransitionsRequest) -> float:
    if not request.HasField("checkpoint_interval"):
        return CHECKPOINT_SECONDS_DEFAULT
    shortest, longest = CHECKPOINT_SECONDS
    seconds = request.checkpoint_interval.seconds + request.checkpoint_interval.nanos / 1e9
    return min(max(seconds, shortest), longest)


def _read_max_batch(request: pb.WatchTransitionsRequest) -> int:
    return min(max(request.max_batch_size, 1), WATCH_BATCH) if request.max_batch_size else WATCH_BATCH
