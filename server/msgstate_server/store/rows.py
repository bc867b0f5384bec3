"""Domain values as the rows of the schema, a column each, in the table's order; and back."""

import zlib
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Final

import msgspec

from msgstate_server.domain.decision import Appended, Payload, Problem, StoredStatus
from msgstate_server.domain.identity import Identity
from msgstate_server.domain.states import Evidence
from msgstate_server.domain.status import Cause, RecipientStatus
from msgstate_server.store.hashing import Hashes
from msgstate_server.store.protocol import Quarantined

_COMPRESSION: Final = 1
"""Of zlib: on webhook bodies higher levels gain under a tenth and cost several times the time."""

_encode: Final = msgspec.json.Encoder().encode
_cause: Final = msgspec.json.Decoder(Cause)
_texts: Final = msgspec.json.Decoder(list[str])
_metadata: Final = msgspec.json.Decoder(dict[str, str])
_problems: Final = msgspec.json.Decoder(list[Problem])
_EVIDENCE: Final = tuple(Evidence)


def status_row(stored: StoredStatus, identity: Identity, hashes: Hashes) -> tuple[object, ...]:
    """The columns of `recipient_status`, in the table's order, but for `compact_time`, which no event changes."""
    status = stored.status
    return (
        stored.id,
        *hashes.identity(identity),
        status.provider,
        status.message_id,
        status.recipient,
        int(status.evidence),
        *msgspec.structs.astuple(status)[4:17],
        _json_or_null(status.failure_cause),
        _json_or_null(status.suppression_cause),
        _encode(status.aliases).decode(),
        status.create_time,
        status.update_time,
        hashes.address(status.recipient),
        _json_or_null(status.message_refs or None),
        _json_or_null(status.metadata or None),
        status.state_change_time,
    )


def status_from_row(row: Sequence[Any]) -> StoredStatus:
    """The status that is in all columns of `recipient_status`."""
    status_id, _, _, provider, message_id, recipient, evidence, *facts, _, compact_time, refs, metadata, changed = row
    failure, suppression, aliases = facts[13:16]
    facts[13] = None if failure is None else _cause.decode(failure)
    facts[14] = None if suppression is None else _cause.decode(suppression)
    facts[15] = [] if aliases == "[]" else _texts.decode(aliases)
    facts += (compact_time, *labels_from_row(refs, metadata), changed)
    return StoredStatus(status_id, RecipientStatus(provider, message_id, recipient, _EVIDENCE[evidence], *facts))


def labels_from_row(refs: str | None, metadata: str | None) -> tuple[list[str], dict[str, str]]:
    """The message refs and the metadata of a recipient."""
    return [] if refs is None else _texts.decode(refs), {} if metadata is None else _metadata.decode(metadata)


def _json_or_null(value: object) -> str | None:
    return None if value is None else _encode(value).decode()


def event_row(appended: Appended, payload_id: int | None) -> tuple[object, ...]:
    """The columns of `event`, in the table's order."""
    entry = appended.entry
    event = entry.event
    return (
        entry.position,
        appended.status_id,
        bytes.fromhex(entry.key),
        int(event.type),
        event.occurred_time,
        event.received_time,
        _encode(event.attributes).decode(),
        int(entry.before),
        int(entry.after),
        entry.version,
        entry.commit_time,
        payload_id,
    )


def quarantine_row(payload: Payload, problems: Sequence[Problem]) -> tuple[object, ...]:
    """The columns of `quarantine` behind its id, in the table's order: the digest tells a webhook that comes again."""
    named = b"\0".join((payload.provider.encode(), payload.account.encode(), payload.body))
    return (
        blake2b(named, digest_size=16).digest(),
        payload.provider,
        payload.account,
        payload.received_time,
        _encode(problems).decode(),
        compressed(payload.body),
        len(payload.body),
    )


def quarantined_from_row(row: Sequence[Any]) -> Quarantined:
    """A quarantined webhook of its columns but the digest and the body."""
    quarantined_id, provider, account, received_time, problems, body_size = row
    return Quarantined(quarantined_id, provider, account, received_time, _problems.decode(problems), body_size)


def payload_from_row(provider: str, account: str, received_time: int, body: bytes) -> Payload:
    """A raw body as it came."""
    return Payload(provider, account, received_time, zlib.decompress(body))


def compressed(body: bytes) -> bytes:
    """A raw body as it is kept."""
    return zlib.compress(body, _COMPRESSION)
