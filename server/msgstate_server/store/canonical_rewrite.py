"""Brings recipients of an older store into canonical form, for the migration that introduced it on every engine.

Recipients whose ids become the same are folded into one, the one that appeared first, by the events of all. Where some
events are gone from the log, the stored facts stand in for them. No event is removed and no token is lost: a row keeps
its position and its event key, and where its version or its state changes, also the fingerprint that tokens carry.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import msgspec

from msgstate_server.domain.decision import StoredStatus
from msgstate_server.domain.events import Event
from msgstate_server.domain.identity import canonicalize, event_key, normalize_id, normalize_recipient
from msgstate_server.domain.lifecycle import NEXT
from msgstate_server.domain.log import LogEntry
from msgstate_server.domain.states import Evidence
from msgstate_server.domain.status import RecipientStatus, folded, merge_metadata
from msgstate_server.store.hashing import Hashes

_encode: Final = msgspec.json.Encoder().encode


class Recipient(NamedTuple):
    """A stored recipient with its retained log rows in order of position."""

    stored: StoredStatus
    entries: list[LogEntry]


def canonical(recipient: Recipient) -> Recipient:
    """The same recipient with canonical ids; its events keep what was reported."""
    stored, entries = recipient
    status = stored.status
    ids = {"message_id": normalize_id(status.message_id), "recipient": normalize_recipient(status.recipient)}
    aliases = sorted(set(filter(None, map(normalize_id, status.aliases))))
    stored = StoredStatus(stored.id, msgspec.structs.replace(status, aliases=aliases, **ids))
    return Recipient(stored, [msgspec.structs.replace(entry, event=_canonical_event(entry.event)) for entry in entries])


def _canonical_event(event: Event) -> Event:
    attributes = msgspec.structs.replace(event.attributes)
    event = msgspec.structs.replace(event, attributes=attributes)
    message_id, aliases = event.message_id, attributes.aliases
    canonicalize(event)
    # The event key is made of both as they were first stored.
    attributes.reported_message_id = message_id if message_id != event.message_id else ""
    attributes.aliases = aliases
    return event


def fold_into_one(parts: Sequence[Recipient]) -> Recipient:
    """One recipient made of several that share canonical ids, or of one; the first part's id stays."""
    stored, _ = parts[0]
    entries = sorted((entry for part in parts for entry in part.entries), key=lambda entry: entry.position)
    _mark_repeated(entries)
    compacted = [part for part in parts if part.stored.status.compact_time is not None]
    if compacted:
        status = _fold_facts(parts, compacted, entries)
    else:
        status = RecipientStatus(*stored.identity)
        entries = list(_refold(status, entries))
    return Recipient(StoredStatus(stored.id, status), entries)


def _mark_repeated(entries: Iterable[LogEntry]) -> None:
    """Give the second report of one event a key of its own: a recipient has each key once, and its log no hole."""
    seen: set[str] = set()
    for entry in entries:
        if entry.key in seen:
            attributes = entry.event.attributes
            attributes.repeated, attributes.kept_fingerprint = True, entry.fingerprint.hex()
            entry.key = event_key(entry.event)
        seen.add(entry.key)


def _refold(status: RecipientStatus, entries: Iterable[LogEntry]) -> Iterator[LogEntry]:
    """Apply all events to a new status, and say what each does now."""
    for entry in entries:
        before = status.evidence
        status.apply(entry.event, entry.key, entry.position, entry.commit_time)
        yield _moved(entry, before, status.evidence, status.version)


def _moved(entry: LogEntry, before: Evidence, after: Evidence, version: int) -> LogEntry:
    changed = msgspec.structs.replace(entry, before=before, after=after, version=version)
    if changed.fingerprint != entry.fingerprint:
        changed.event.attributes.kept_fingerprint = entry.fingerprint.hex()
    return changed


def _fold_facts(parts: Sequence[Recipient], compacted: Sequence[Recipient], entries: list[LogEntry]) -> RecipientStatus:
    """The status of parts of which some lost events; `entries` are changed to what they do now."""
    status = folded([part.stored.status for part in parts])
    strongest = max(map(_before_retained, compacted), key=lambda base: base.evidence)
    status.evidence, status.version, status.position, status.state_change_time = strongest
    for index, entry in enumerate(entries):
        before = status.evidence
        event = entry.event
        status.evidence = NEXT[before][event.type][event.attributes.automated]
        if status.evidence is not before:
            status.version += 1
            status.position, status.state_change_time = entry.position, entry.commit_time
        status.metadata = merge_metadata(status.metadata, event.attributes.metadata)
        entries[index] = _moved(entry, before, status.evidence, status.version)
    return status


class _Base(NamedTuple):
    """What a compacted recipient had reached before the first event that remains."""

    evidence: Evidence
    version: int
    position: int
    state_change_time: int


def _before_retained(recipient: Recipient) -> _Base:
    status, entries = recipient.stored.status, recipient.entries
    if not entries:
        return _Base(status.evidence, status.version, status.position, status.state_change_time or status.update_time)
    first = entries[0]
    position = min(status.position, first.position - 1)
    return _Base(first.before, first.version - first.moved, position, status.create_time)


def name_rows(recipient: Recipient, hashes: Hashes) -> list[tuple[int, int]]:
    """The rows of the alias table that lead to a recipient."""
    status, status_id = recipient.stored.status, recipient.stored.id
    found = {*map(hashes.alias, status.aliases), *map(hashes.ref, status.message_refs)}
    return [(name_hash, status_id) for name_hash in found]


def changed_entries(whole: Recipient, parts: Sequence[Recipient]) -> Iterator[tuple[int, tuple[object, ...]]]:
    """The log rows that differ from those of the parts, as they were read: each position with its changed columns.

    The columns are the recipient id, event key, attributes, evidence before and after, and version. The last row comes
    first: if two share a key, the later one must get another before the earlier one moves to the same recipient.
    """
    known = {entry.position: _columns(part.stored.id, entry) for part in parts for entry in part.entries}
    for entry in reversed(whole.entries):
        columns = _columns(whole.stored.id, entry)
        if columns != known[entry.position]:
            yield entry.position, columns


def _columns(status_id: int, entry: LogEntry) -> tuple[object, ...]:
    return (
        status_id,
        bytes.fromhex(entry.key),
        _encode(entry.event.attributes).decode(),
        int(entry.before),
        int(entry.after),
        entry.version,
    )
