"""Proves that a store agrees with itself: every status, version and position is what the log's events make it."""

from collections.abc import AsyncIterator, Iterator
from typing import Final, NamedTuple

import msgspec

from msgstate_server.domain.events import EventType
from msgstate_server.domain.identity import event_key
from msgstate_server.domain.log import EMPTY_FINGERPRINT, Head, LogEntry
from msgstate_server.domain.states import Evidence
from msgstate_server.domain.status import RecipientStatus
from msgstate_server.store.compacted_check import before_first_retained, bounds, differences
from msgstate_server.store.hashing import Hashes, IdentityHashes
from msgstate_server.store.protocol import Audit, RecipientRecord, Unreadable

_FACTS: Final = tuple(
    field for field in RecipientStatus.__struct_fields__ if field not in ("provider", "message_id", "recipient")
)


class Finding(NamedTuple):
    """Something that does not agree: where, and what it is instead of what it must be."""

    where: str
    what: str


class Summary:
    """What was looked at."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.recipients = 0
        self.events = 0
        self.log_rows = 0


async def check(audit: Audit, summary: Summary) -> AsyncIterator[Finding]:
    """Every disagreement in the store; `summary` counts what was looked at."""
    async for finding in _check_log(audit, summary):
        yield finding
    last: LogEntry | None = None
    async for record in audit.recipients():
        summary.recipients += 1
        if isinstance(record, Unreadable):
            summary.events += record.entries
            yield Finding(record.where, record.reason)
            continue
        summary.events += len(record.entries)
        for finding in _check_recipient(record, audit.head, audit.hashes):
            yield finding
        if record.entries and record.entries[-1].position == audit.head.position:
            last = record.entries[-1]
    if summary.events != summary.log_rows:
        yield Finding("log", f"{summary.log_rows - summary.events} events are of no recipient")
    for finding in _check_head(audit.head, last):
        yield finding


async def _check_log(audit: Audit, summary: Summary) -> AsyncIterator[Finding]:
    """Positions are dense above the floor, and commit times never fall."""
    expected, commit_time = audit.head.floor + 1, 0
    async for position, committed in audit.log():
        summary.log_rows += 1
        if committed < commit_time:
            yield Finding(f"event {position}", f"commit_time {committed} is earlier than {commit_time} before it")
        commit_time = committed
        for finding in _check_beside_floor(audit.head, position, committed):
            yield finding
        if position <= audit.head.floor:
            continue
        if position != expected:
            yield Finding("log", f"positions {expected} to {position - 1} are missing")
        expected = position + 1
    if expected != audit.head.position + 1:
        yield Finding("head", f"position is {audit.head.position}, but the log ends at {expected - 1}")


def _check_beside_floor(head: Head, position: int, committed: int) -> Iterator[Finding]:
    """Hold a row against the floor, at which a row stood that is gone."""
    if position == head.floor:
        yield Finding("head", f"floor is {head.floor}, but the event there is in the log")
    elif (committed < head.floor_time) if position > head.floor else (committed > head.floor_time):
        yield Finding("head", f"floor_time is {head.floor_time}, but event {position} was committed at {committed}")


def _check_head(head: Head, last: LogEntry | None) -> Iterator[Finding]:
    if not 0 <= head.floor <= head.position:
        yield Finding("head", f"floor is {head.floor}, must be 0 to {head.position}")
    if head.floor == 0 and head.floor_fingerprint != EMPTY_FINGERPRINT:
        yield Finding("head", f"floor_fingerprint is {head.floor_fingerprint.hex()}, but nothing was deleted")
    earliest = head.commit_time if head.floor == head.position else 0
    latest = head.commit_time if head.floor else 0
    if not earliest <= head.floor_time <= latest:
        yield Finding("head", f"floor_time is {head.floor_time}, must be {earliest} to {latest}")
    if head.position == head.floor:
        expected = EMPTY_FINGERPRINT if head.position == 0 else head.floor_fingerprint
        if head.fingerprint != expected:
            yield Finding("head", f"fingerprint is {head.fingerprint.hex()}, must be {expected.hex()}")
    elif last is not None:
        if head.fingerprint != last.fingerprint:
            what = f"fingerprint is {head.fingerprint.hex()}, the last event's is {last.fingerprint.hex()}"
            yield Finding("head", what)
        if head.commit_time != last.commit_time:
            yield Finding("head", f"commit_time is {head.commit_time}, the last event's is {last.commit_time}")


def _check_recipient(record: RecipientRecord, head: Head, hashes: Hashes) -> Iterator[Finding]:
    """Fold the recipient's events anew, and hold every step and the result against what is stored."""
    stored = record.stored.status
    compacted = stored.compact_time is not None
    folded = RecipientStatus(stored.provider, stored.message_id, stored.recipient)
    if compacted:
        folded = before_first_retained(record)
    for entry in record.entries:
        yield from _check_entry(entry, folded)
    where = f"status {record.stored.id} ({stored.provider}/{stored.message_id} to {stored.recipient})"
    yield from _check_hashes(record, hashes, where)
    for alias in record.unfindable:
        yield Finding(where, f"alias or ref {alias!r} leads nowhere: its row in the alias table is missing")
    if compacted:
        yield from _check_compacted(record, folded, head, where)
        return
    if not record.entries:
        yield Finding(where, "has no event in the log, and no compact_time")
        return
    for fact in _FACTS:
        if getattr(stored, fact) != getattr(folded, fact):
            yield _different(where, stored, fact, getattr(folded, fact))


def _check_compacted(record: RecipientRecord, folded: RecipientStatus, head: Head, where: str) -> Iterator[Finding]:
    """The status is at least what remains of its events; `folded` has what they say."""
    stored = record.stored.status
    if record.entries and record.entries[0].before is Evidence.NONE:
        yield Finding(where, f"compact_time is {stored.compact_time}, but its first event is in the log")
    for fact, must in differences(record, folded):
        yield _different(where, stored, fact, must)
    for fact, least, most in bounds(record, folded, head):
        found = getattr(stored, fact)
        if not least <= found <= most:
            yield Finding(where, f"{fact} is {found}, must be {least} to {most}")


def _different(where: str, stored: RecipientStatus, fact: str, must: object) -> Finding:
    return Finding(where, f"{fact} is {_shown(getattr(stored, fact))}, its events make it {_shown(must)}")


def _check_hashes(record: RecipientRecord, hashes: Hashes, where: str) -> Iterator[Finding]:
    """What look-ups go by is what the ids make it."""
    found = (*record.hashes, record.address_hash)
    must = (*hashes.identity(record.stored.identity), hashes.address(record.stored.status.recipient))
    for name, is_now, is_to_be in zip((*IdentityHashes._fields, "address_hash"), found, must, strict=True):
        if is_now != is_to_be:
            yield Finding(where, f"{name} is {is_now}, its ids make it {is_to_be}")


def _check_entry(entry: LogEntry, folded: RecipientStatus) -> Iterator[Finding]:
    """Hold one row against what its event says and does; `folded` is the status before, and after is the one after."""
    where = f"event {entry.position}"
    if entry.event.type is EventType.UNSPECIFIED:
        yield Finding(where, "type is 0, which is none")
        return
    key = event_key(entry.event)
    if entry.key != key:
        yield Finding(where, f"event_key is {entry.key}, its type and contents make it {key}")
    if entry.before is not folded.evidence:
        yield Finding(where, f"from_evidence is {_shown(entry.before)}, must be {_shown(folded.evidence)}")
    folded.apply(entry.event, entry.key, entry.position, entry.commit_time)
    if entry.after is not folded.evidence:
        yield Finding(where, f"to_evidence is {_shown(entry.after)}, must be {_shown(folded.evidence)}")
    if entry.version != folded.version:
        yield Finding(where, f"version is {entry.version}, must be {folded.version}")


def _shown(value: object) -> str:
    if isinstance(value, Evidence):
        return value.name.lower()
    if isinstance(value, msgspec.Struct):
        return msgspec.json.encode(value).decode()
    return repr(value)
