"""Reads the filter of a list request: normalizes its ids and addresses, and refuses invalid values."""

from msgstate.v1 import message_status_service_pb2 as pb
from msgstate_server.domain.errors import InvalidRequest
from msgstate_server.domain.identity import normalize_id, normalize_recipient
from msgstate_server.domain.limits import ID_BYTES
from msgstate_server.domain.validation import Violation, shown, text_violations
from msgstate_server.rpc.conversion import time_from_proto
from msgstate_server.rpc.filter_fields import read_metadata, read_states, read_texts
from msgstate_server.store.protocol import StatusFilter


def read_status_filter(wanted: pb.MessageStatusFilter) -> StatusFilter:
    """The filter of a list request; raises `InvalidRequest`."""
    found: list[Violation] = []
    read = StatusFilter(
        states=read_states("filter.states", wanted.states, found),
        providers=read_texts("filter.providers", wanted.providers, found),
        message_id=_read_text("message_id", wanted.message_id, normalize_id(wanted.message_id), found),
        recipient=_read_text("recipient", wanted.recipient, normalize_recipient(wanted.recipient), found),
        updated_after=_read_time("updated_after", wanted, found),
        updated_before=_read_time("updated_before", wanted, found),
        message_ref=_read_text("message_ref", wanted.message_ref, normalize_id(wanted.message_ref), found),
        created_after=_read_time("created_after", wanted, found),
        created_before=_read_time("created_before", wanted, found),
        state_changed_before=_read_time("state_changed_before", wanted, found),
        metadata=read_metadata(wanted, found),
    )
    if found:
        raise InvalidRequest(found)
    return read


def _read_text(field: str, asked: str, normalized: str, found: list[Violation]) -> str:
    # A value that normalizes to the empty text must not silently match everything.
    if asked and not normalized:
        found.append(
            Violation(f"filter.{field}", f"must not consist of brackets and blanks alone; found {shown(asked)}")
        )
    found.extend(text_violations(f"filter.{field}", normalized, ID_BYTES))
    return normalized


def _read_time(field: str, wanted: pb.MessageStatusFilter, found: list[Violation]) -> int | None:
    if not wanted.HasField(field):  # type: ignore[arg-type]
        return None
    return time_from_proto(getattr(wanted, field), f"filter.{field}", found)
