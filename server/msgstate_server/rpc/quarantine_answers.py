"""Writes quarantined webhooks and replay results into responses, within the size limits."""

from collections.abc import Iterator, Sequence
from typing import Final

from google.protobuf.internal.containers import RepeatedCompositeFieldContainer

from msgstate.v1 import admin_service_pb2 as pb
from msgstate_server.domain.decision import Problem
from msgstate_server.domain.limits import BATCH_EVENTS, CHUNK_BYTES, PROBLEMS_BYTES, RESPONSE_BYTES
from msgstate_server.ingest import Part, Replayed
from msgstate_server.rpc.conversion import DISPOSITIONS, FIELD_OVERHEAD, HEADROOM, write_event, write_time
from msgstate_server.store.protocol import Quarantined, Store

_ROWS: Final = 50
"""Rows to read at a time: each may have many long problems."""
_READS: Final = 40
"""The maximum number of reads per page; 20 suffice for the largest page. A short page need not be the last."""
REPLAYED_BYTES: Final = PROBLEMS_BYTES + 64 * BATCH_EVENTS
"""The maximum size of the result of one replay."""


async def write_page(
    response: pb.ListQuarantineResponse,
    store: Store,
    request: pb.ListQuarantineRequest,
    before: int | None,
    limit: int,
) -> int | None:
    """Write the entries with ids below `before`, as many as fit and at most `limit`.

    Returns the `before` of the next page; None at the end.
    """
    size = 0
    for _ in range(_READS):
        page = await store.list_quarantine(
            request.provider, request.include_replayed, before, min(limit - len(response.payloads), _ROWS)
        )
        for found in page.payloads:
            payload = response.payloads.add()
            write_quarantined(payload, found)
            size += payload.ByteSize() + FIELD_OVERHEAD
            if size > RESPONSE_BYTES - HEADROOM:
                del response.payloads[-1]
                return before
            before = found.id
        before = page.next
        if before is None or len(response.payloads) == limit:
            break
    return before


def write_quarantined(message: pb.QuarantinedPayload, found: Quarantined) -> None:
    """Write one webhook into an empty message."""
    message.id = found.id
    message.provider = found.provider
    message.account = found.account
    write_time(message.received_time, found.received_time)
    write_problems(message.problems, found.problems)
    message.body_size = found.body_size


def write_problems(
    reported: "RepeatedCompositeFieldContainer[pb.QuarantineProblem]", problems: Sequence[Problem]
) -> None:
    """Write as many problems as fit into `PROBLEMS_BYTES`; if some are left out, the last one says how many."""
    room = PROBLEMS_BYTES
    for index, problem in enumerate(problems):
        written = reported.add(pointer=problem.pointer, reason=problem.reason)
        room -= written.ByteSize() + FIELD_OVERHEAD
        if room < 0:
            written.pointer, written.reason = "", f"{len(problems) - index} more parts could not be parsed"
            break


def part_responses(parts: Sequence[Part]) -> Iterator[pb.GetQuarantinedResponse]:
    """The events of a body, in as few responses as possible."""
    response, size = pb.GetQuarantinedResponse(), 0
    for part in parts:
        reported = pb.QuarantinedEvent(pointer=part.pointer, position=part.position)
        write_event(reported.event, part.event)
        added = reported.ByteSize() + FIELD_OVERHEAD
        if size + added > RESPONSE_BYTES:
            yield response
            response, size = pb.GetQuarantinedResponse(), 0
        response.events.append(reported)
        size += added
    if parts:
        yield response


def chunks(body: bytes) -> Iterator[bytes]:
    """The chunks of a body; an empty body has none."""
    return (body[start : start + CHUNK_BYTES] for start in range(0, len(body), CHUNK_BYTES))


def write_replayed(result: pb.ReplayResult, replayed: Replayed) -> None:
    """Write the result of replaying one webhook into a message that already has its id."""
    for pointer, outcome in replayed.outcomes:
        reported = result.results.add()
        reported.disposition = DISPOSITIONS[outcome.disposition]
        reported.position = outcome.position
        reported.pointer = pointer
    write_problems(result.problems, replayed.problems)
