"""What is in quarantine and what became of it, as the contract tells it, within what a response may be."""

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
"""Rows that are read at a time: each may have many long problems."""
_READS: Final = 40
"""Reads that one page may take, of which 20 fill the largest: a page may be short, and not be the last."""
REPLAYED_BYTES: Final = PROBLEMS_BYTES + 64 * BATCH_EVENTS
"""Most that the result of one replay takes."""


async def write_page(
    response: pb.ListQuarantineResponse,
    store: Store,
    request: pb.ListQuarantineRequest,
    place: int | None,
    limit: int,
) -> int | None:
    """Write what comes before a place, as much as fits and is asked for; gives the place to go on, None at the end."""
    size = 0
    for _ in range(_READS):
        page = await store.list_quarantine(
            request.provider, request.include_replayed, place, min(limit - len(response.payloads), _ROWS)
        )
        for found in page.payloads:
            payload = response.payloads.add()
            write_quarantined(payload, found)
            size += payload.ByteSize() + FIELD_OVERHEAD
            if size > RESPONSE_BYTES - HEADROOM:
                del response.payloads[-1]
                return place
            place = found.id
        place = page.next
        if place is None or len(response.payloads) == limit:
            break
    return place


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
    """Write as many problems as may be told of one webhook; the last says how many are left out."""
    room = PROBLEMS_BYTES
    for index, problem in enumerate(problems):
        written = reported.add(pointer=problem.pointer, reason=problem.reason)
        room -= written.ByteSize() + FIELD_OVERHEAD
        if room < 0:
            written.pointer, written.reason = "", f"{len(problems) - index} more parts were not understood"
            break


def part_responses(parts: Sequence[Part]) -> Iterator[pb.GetQuarantinedResponse]:
    """The events of a body, in as few responses as they fit into."""
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
    """A body in pieces; none of an empty one."""
    return (body[start : start + CHUNK_BYTES] for start in range(0, len(body), CHUNK_BYTES))


def write_replayed(result: pb.ReplayResult, replayed: Replayed) -> None:
    """Write what became of one webhook into a message that has its id."""
    for pointer, outcome in replayed.outcomes:
        reported = result.results.add()
        reported.disposition = DISPOSITIONS[outcome.disposition]
        reported.position = outcome.position
        reported.pointer = pointer
    write_problems(result.problems, replayed.problems)
