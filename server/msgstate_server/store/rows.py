"""Domain values as the rows of the schema, a column each, in the table's order; and back."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from msgstate_server.domain.decision import Appended, StoredStatus
from msgstate_server.domain.identity import Identity, address_hash
from msgstate_server.domain.states import Evidence
from msgstate_server.domain.status import Cause, RecipientStatus

_encode: Final = msgspec.json.Encoder().encode
_cause: Final = msgspec.json.Decoder(Cause)
_aliases: Final = msgspec.json.Decoder(list[str])
_EVIDENCE: Final = tuple(Evidence)


def status_row(stored: StoredStatus, identity: Identity) -> tuple[object, ...]:
    """The columns of `recipient_status`, in the table's order, but for `compact_time`, which no event changes."""
    status = stored.status
    return (
        stored.id,
        *identity,
        status.provider,
        status.message_id,
        status.recipient,
        int(status.evidence),
        *msgspec.structs.astuple(status)[4:-6],
        _json_or_null(status.failure_cause),
        _json_or_null(status.suppression_cause),
        _encode(status.aliases).decode(),
        status.create_time,
        status.update_time,
        address_hash(status.recipient),
    )


def status_from_row(row: Sequence[Any]) -> StoredStatus:
    """The status that is in all columns of `recipient_status`."""
    status_id, _, _, provider, message_id, recipient, evidence, *facts, _, compact_time = row
    failure, suppression, aliases = facts[13:16]
    facts[13] = None if failure is None else _cause.decode(failure)
    facts[14] = None if suppression is None else _cause.decode(suppression)
    facts[15] = [] if aliases == "[]" else _aliases.decode(aliases)
    facts.append(compact_time)
    return StoredStatus(status_id, RecipientStatus(provider, message_id, recipient, _EVIDENCE[evidence], *facts))


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
