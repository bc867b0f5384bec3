"""Reads the filter of a list request: normalizes its ids and addresses, and refuses invalid values."""

from google.protobuf.timestamp_pb2 import Timestamp

from msgstate.v1 import message_status_service_pb2 as pb
from msgstate_server.domain.errors import InvalidRequest
from msgstate_server.domain.identity import normalize_id, normalize_recipient
from msgstate_server.domain.limits import ID_BYTES
from msgstate_server.domain.validation import Violation, shown, text_violations
from msgstate_server.rpc.conversion import time_from_proto
from msgstate_server.rpc.filter_fields import read_states, read_texts
from msgstate_server.store.protocol import StatusFilter


def read_status_filter(wanted: pb.MessageStatusFilter) -> StatusFilter:
    """The filter of a list request; raises `InvalidRequest`."""
    found: list[Violation] = []
    after = wanted.updated_after if wanted.HasField("updated_after") else None
    before = wanted.updated_before if wanted.HasField("updated_before") else None
    read = StatusFilter(
        states=read_states("filter.states", wanted.states, found),
        providers=read_texts("filter.providers", wanted.providers, found),
        message_id=_read_text("message_id", wanted.message_id, normalize_id(wanted.message_id), found),
        recipient=_read_text("recipient", wanted.recipient, normalize_recipient(wanted.recipient), found),
        updated_after=_read_time("updated_after", after, found),
        updated_before=_read_time("updated_before", before, found),
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


def _read_time(field: str, time: Timestamp | None, found: list[Violation]) -> int | None:
    return None if time is None else time_from_proto(time, f"filter.{field}", found)
