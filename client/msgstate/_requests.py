"""Requests as the contract has them, from the arguments of a call."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TypeAlias

from msgstate._enums import StateName, read_states
from msgstate._start import require_offset, require_several
from msgstate._values import Batch
from msgstate.v1 import log_pb2
from msgstate.v1 import message_status_service_pb2 as pb

Key: TypeAlias = str | pb.MessageKey
"""A message id or alias, alone or with its provider."""


def message_key(key: Key) -> pb.MessageKey:
    """The key as a message."""
    return pb.MessageKey(message_id=key) if isinstance(key, str) else key


def status_filter(  # noqa: PLR0913  (one per field)
    *,
    states: Iterable[StateName],
    providers: Iterable[str],
    message_id: str,
    recipient: str,
    message_ref: str,
    account: str,
    metadata: Mapping[str, str] | None,
    **times: datetime | None,
) -> pb.MessageStatusFilter:
    """Which statuses to list; raises ValueError for a time without an offset, TypeError for a str as a list."""
    require_several(providers=providers)
    wanted = pb.MessageStatusFilter(
        states=read_states(states, "states"),
        providers=providers,
        message_id=message_id,
        recipient=recipient,
        message_ref=message_ref,
        account=account,
        metadata=metadata,
    )
    for field, time in times.items():
        if time is not None:
            require_offset(time, field)
            getattr(wanted, field).FromDatetime(time)
    return wanted


def set_pace(request: pb.WatchTransitionsRequest | pb.WatchEventsRequest, checkpoint_interval: float) -> None:
    """Ask for a checkpoint at least every so many seconds; 0 leaves it to the server."""
    if checkpoint_interval:
        request.checkpoint_interval.FromMilliseconds(int(checkpoint_interval * 1_000))


def transitions_of(response: pb.WatchTransitionsResponse) -> Batch[log_pb2.Transition]:
    """What a watch of transitions received."""
    live = response.phase == pb.WATCH_PHASE_LIVE
    return Batch(response.transitions, response.resume_token, live, response.head_position)


def entries_of(response: pb.WatchEventsResponse) -> Batch[log_pb2.LogEntry]:
    """What a watch of events received."""
    live = response.phase == pb.WATCH_PHASE_LIVE
    return Batch(response.entries, response.resume_token, live, response.head_position)
