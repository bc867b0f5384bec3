"""Pages of recipients' statuses, newest first: one call looks at a bounded number of rows, whatever it finds."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from msgstate_server.domain.decision import StoredStatus
from msgstate_server.domain.identity import address_hash, message_hash
from msgstate_server.domain.states import Evidence, State
from msgstate_server.store.protocol import StatusFilter, StatusPage
from msgstate_server.store.sqlite.queries import BEYOND_ALL, SQL, one_view

if TYPE_CHECKING:
    import sqlite3 as sqlite
else:
    import pysqlite3.dbapi2 as sqlite

SCAN: Final = 10_000
"""Candidates that one call looks at, in 2 to 20 ms."""

_DELIVERED: Final = frozenset({State.DELIVERED, State.ENGAGED})
"""The states of most recipients: the index of all others has not theirs."""

_statuses: Final = msgspec.json.Decoder(list[StoredStatus])


def list_recipients(connection: sqlite.Connection, wanted: StatusFilter, before: int | None, limit: int) -> StatusPage:
    """See `Store`."""
    candidates = SQL[_candidates(wanted)].removesuffix(";")
    values = _values(wanted) | {
        "before": BEYOND_ALL if before is None else before,
        # One more than asked for tells whether the page is the last.
        "limit": limit + 1,
        "scan": SCAN,
    }
    # One view of the store: what is committed between two would shift how far down the call looked.
    with one_view(connection):
        (found,) = connection.execute(SQL["list_recipients"].replace(":candidates", candidates), values).fetchone()
        statuses = _statuses.decode(found or "[]")
        if len(statuses) > limit:
            return StatusPage(statuses[:limit], statuses[limit - 1].id)
        last = connection.execute(SQL["last_candidate"].replace(":candidates", candidates), values).fetchone()
    return StatusPage(statuses, last and last[0])


def _candidates(wanted: StatusFilter) -> str:
    """The name of the statement that gives the fewest candidates."""
    if wanted.message_id:
        return "candidates_of_both" if wanted.recipient else "candidates_of_message"
    if wanted.recipient:
        return "candidates_of_address"
    return "candidates_undelivered" if wanted.states and wanted.states.isdisjoint(_DELIVERED) else "candidates"


def _values(wanted: StatusFilter) -> dict[str, object]:
    return {
        "message_hash": message_hash(wanted.message_id),
        "address_hash": address_hash(wanted.recipient),
        "evidences": _json_or_null([evidence for evidence in Evidence if evidence.state in wanted.states]),
        "providers": _json_or_null(sorted(wanted.providers)),
        "message_id": wanted.message_id,
        "recipient": wanted.recipient,
        "updated_after": wanted.updated_after,
        "updated_before": wanted.updated_before,
    }


def _json_or_null(values: Sequence[object]) -> str | None:
    return msgspec.json.encode(values).decode() if values else None
