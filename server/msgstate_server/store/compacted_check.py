"""What must hold of a recipient whose earlier events are gone from the log: its status is at least what remains."""

from collections.abc import Iterator
from typing import Final

import msgspec

from msgstate_server.domain.events import EventType
from msgstate_server.domain.log import Head
from msgstate_server.domain.status import RecipientStatus
from msgstate_server.store.protocol import RecipientRecord

_COUNTS: Final = ("open_count", "click_count")
_STEPS: Final = ("evidence", "version")
_OF_THE_LOG: Final = (*_STEPS, *_COUNTS, "position", "create_time", "update_time", "compact_time", "state_change_time")
_FOLDED: Final = tuple(fact for fact in RecipientStatus.__struct_fields__ if fact not in _OF_THE_LOG)
"""Minima, maxima and unions: an event that is folded in a second time changes none of them."""
_ANY: Final = 2**63 - 1


def before_first_retained(record: RecipientRecord) -> RecipientStatus:
    """The status before the first event that remains, as far as that event tells."""
    stored = record.stored.status
    status = RecipientStatus(stored.provider, stored.message_id, stored.recipient, stored.evidence, stored.version)
    if record.entries:
        first = record.entries[0]
        status.evidence, status.version = first.before, first.version - first.moved
    return status


def differences(record: RecipientRecord, folded: RecipientStatus) -> Iterator[tuple[str, object]]:
    """Facts that are not what they must be, and that; `folded` is `before_first_retained` with what remains."""
    stored = record.stored.status
    again = msgspec.structs.replace(stored)
    for entry in record.entries:
        if entry.event.type is not EventType.UNSPECIFIED:
            again.apply(entry.event, entry.key, entry.position, entry.commit_time)
    yield from ((fact, getattr(again, fact)) for fact in _FOLDED if getattr(again, fact) != getattr(stored, fact))
    moved = ["position", "state_change_time"] if folded.position else []
    exact = (*_STEPS, *moved, *["update_time"] * bool(record.entries))
    yield from ((fact, getattr(folded, fact)) for fact in exact if getattr(folded, fact) != getattr(stored, fact))


def bounds(record: RecipientRecord, folded: RecipientStatus, head: Head) -> Iterator[tuple[str, int, int]]:
    """Numbers of the status, each with the least and the most that it may be."""
    yield "evidence", 1, 7
    yield "version", 1, 7
    if not folded.position:
        yield "position", 1, head.floor
        yield "state_change_time", record.stored.status.create_time, record.stored.status.update_time
    if not record.entries:
        yield "update_time", record.stored.status.create_time, head.floor_time
    yield "create_time", 0, min(folded.create_time or head.floor_time, head.floor_time)
    yield "compact_time", record.stored.status.create_time, _ANY
    yield from ((fact, getattr(folded, fact), _ANY) for fact in _COUNTS)
