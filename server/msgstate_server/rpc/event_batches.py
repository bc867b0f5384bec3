"""Checks a batch of events that arrives over gRPC, in a single call or in a stream."""

import asyncio
import re
from collections.abc import Mapping
from typing import Final, NamedTuple, TypeAlias

from msgstate.v1 import event_service_pb2 as pb
from msgstate_server.domain.decision import Candidate
from msgstate_server.domain.errors import BatchTooLarge
from msgstate_server.domain.limits import BATCH_BYTES, BATCH_EVENTS, RESPONSE_BYTES, VIOLATIONS_TOLD
from msgstate_server.domain.validation import Violation
from msgstate_server.ingest import RefusalLog, admit
from msgstate_server.rpc.conversion import FIELD_OVERHEAD, event_from_proto

_INDEX: Final = re.compile(r"\[[0-9]+\]")
_TURN_EVENTS: Final = 50
"""Events to check before yielding to the event loop: about a quarter of a millisecond of work."""
_VIOLATIONS_BYTES: Final = RESPONSE_BYTES - 64 * BATCH_EVENTS
"""The maximum size of all violations in one answer, which leaves room for its other fields."""

Refused: TypeAlias = dict[int, list[pb.FieldViolation]]
"""The fields that break a rule, by the event's index in its batch."""


class AdmittedBatch(NamedTuple):
    """The valid events, in order, and the reasons why the others are refused."""

    candidates: list[Candidate]
    refused: Refused


async def admit_batch(
    request: pb.PublishEventsRequest | pb.StreamEventsRequest, received_time: int, refusals: RefusalLog
) -> AdmittedBatch:
    """Check every event by itself, and warn of those that are refused.

    Raises `BatchTooLarge` where the batch as a whole is over its limits.
    """
    _require_within_limits(request)
    candidates: list[Candidate] = []
    refused: dict[int, list[Violation]] = {}
    for index, message in enumerate(request.events):
        if index % _TURN_EVENTS == _TURN_EVENTS - 1:
            await asyncio.sleep(0)
        event, found = event_from_proto(message, received_time)
        admitted = admit(event)
        if isinstance(admitted, list):
            found += admitted
        if found:
            refused[index] = found
        elif not isinstance(admitted, list):
            candidates.append(admitted)
    _warn(refused, refusals)
    return AdmittedBatch(candidates, _reported(refused))


def _warn(refused: Mapping[int, list[Violation]], refusals: RefusalLog) -> None:
    """Warn of each rule that was broken, without what was found: it may be an address."""
    for field, description in {violation for found in refused.values() for violation in found[:1]}:
        rule = description.partition("; found")[0]
        name = _INDEX.sub("[]", field)
        refusals.warn("events were refused", rule, f"{name}: {rule}" if name else rule, field=name)


def _require_within_limits(request: pb.PublishEventsRequest | pb.StreamEventsRequest) -> None:
    if len(request.events) > BATCH_EVENTS:
        raise BatchTooLarge(f"events: must be at most {BATCH_EVENTS}; found {len(request.events)}; split the batch")


def batch_of_bytes_too_large(field: str, size: int) -> BatchTooLarge:
    """The error for a batch of `size` bytes, which is refused before it is decoded."""
    return BatchTooLarge(f"{field}: must be at most {BATCH_BYTES} bytes together; found {size}; split the batch")


def _reported(refused: Mapping[int, list[Violation]]) -> Refused:
    """The first violation of each event, and as many more as fit into the event's share of the answer."""
    share = _VIOLATIONS_BYTES // max(1, len(refused))
    return {index: _fitting(f"events[{index}]", found, share) for index, found in refused.items()}


def _fitting(prefix: str, found: list[Violation], room: int) -> list[pb.FieldViolation]:
    reported: list[pb.FieldViolation] = []
    for field, description in found[:VIOLATIONS_TOLD]:
        violation = pb.FieldViolation(field=f"{prefix}.{field}" if field else prefix, description=description)
        room -= violation.ByteSize() + FIELD_OVERHEAD
        if reported and room < 0:
            break
        reported.append(violation)
    return reported
