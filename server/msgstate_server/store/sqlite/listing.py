"""Pages of recipients' statuses, newest first: one call reads a bounded number of rows, whatever it finds.

Of a message or an address whose recipients it cannot find in their order it sorts the ids of all of them besides.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from msgstate_server.domain.decision import StoredStatus
from msgstate_server.domain.states import Evidence, State
from msgstate_server.store.hashing import Hashes
from msgstate_server.store.protocol import StatusFilter, StatusPage
from msgstate_server.store.sqlite.queries import BEYOND_ALL, SQL, one_view
from msgstate_server.store.sqlite.zone_map import ZoneMap

if TYPE_CHECKING:
    import sqlite3 as sqlite
else:
    import pysqlite3.dbapi2 as sqlite

SCAN: Final = 10_000
"""Candidates that one call looks at, in 2 to 20 ms; or the ids of a block, in half a millisecond."""
MANY: Final = 1_000
"""Recipients of one message that are sorted in a fraction of the time that a call takes."""
SPREAD: Final = 10
"""Where a message has more, and one in so many of the rows before a place, they are not sorted but found there."""

_DELIVERED: Final = frozenset({State.DELIVERED, State.ENGAGED})
"""The states of most recipients: the index of all others has not theirs."""

_statuses: Final = msgspec.json.Decoder(list[StoredStatus])

_Values = dict[str, Any]


class RecipientLists:
    """Reads pages of one file, and remembers what it may skip; to be used by one thread at a time."""

    def __init__(self, hashes: Hashes) -> None:
        """`hashes` are those of the file."""
        self._hashes = hashes
        self._zones = ZoneMap()

    def read(self, connection: sqlite.Connection, wanted: StatusFilter, before: int | None, limit: int) -> StatusPage:
        """See `Store.list_recipients`."""
        values = _values(wanted, self._hashes, BEYOND_ALL if before is None else before, limit)
        # One view of the store: what is committed between two statements would shift how far down the call looked.
        with one_view(connection):
            candidates = _candidates(connection, wanted, values)
            if candidates is not None:
                return _read_candidates(connection, candidates, values)
            if wanted == StatusFilter():
                return _read_all(connection, values)
            return _read_block(connection, self._zones, values)


def _candidates(connection: sqlite.Connection, wanted: StatusFilter, values: _Values) -> str | None:
    """The name of the statement that gives candidates from an index; None where rows are read as they lie."""
    if wanted.recipient:
        return "candidates_of_both" if wanted.message_id else "candidates_of_address"
    if wanted.message_id:
        (is_campaign,) = connection.execute(SQL["is_campaign"], values).fetchone()
        return None if is_campaign else "candidates_of_message"
    return "candidates_undelivered" if wanted.states and wanted.states.isdisjoint(_DELIVERED) else None


def _read_candidates(connection: sqlite.Connection, name: str, values: _Values) -> StatusPage:
    """Those of the next candidates who match."""
    candidates = SQL[name].removesuffix(";")
    statuses = _read(connection, SQL["list_candidates"].replace(":candidates", candidates), values)
    if len(statuses) == values["limit"]:
        return _full_page(statuses)
    last = connection.execute(SQL["last_candidate"].replace(":candidates", candidates), values).fetchone()
    return StatusPage(statuses, last and last[0])


def _read_all(connection: sqlite.Connection, values: _Values) -> StatusPage:
    """The next, whoever they are."""
    statuses = _read(connection, SQL["list_block"], {**values, "first": 0})
    return _full_page(statuses) if len(statuses) == values["limit"] else StatusPage(statuses, None)


def _read_block(connection: sqlite.Connection, zones: ZoneMap, values: _Values) -> StatusPage:
    """Those in the next block of ids who match."""
    before, updated_before = values["before"], values["updated_before"]
    before = min(before, (_last_before(connection, BEYOND_ALL) or 0) + 1)
    if updated_before is not None:
        before = zones.skip(before, updated_before)
    # Down to the end of a block, and over half of one at least; no further than a campaign's page is full.
    first = max((before - 1 - SCAN // 2) // SCAN * SCAN, before - SPREAD * values["scan"])
    if updated_before is not None and before == first + SCAN:
        # Also where it was remembered: more of them may have been updated since.
        (lowest,) = connection.execute(SQL["lowest_update_time"], (first, before)).fetchone()
        if lowest is not None:
            zones.remember(first, before, lowest)
            before = max(first, zones.skip(before, updated_before))
    statuses = _read(connection, SQL["list_block"], {**values, "first": first, "before": before})
    if len(statuses) == values["limit"]:
        return _full_page(statuses)
    # The next block is the next that is not empty.
    last = _last_before(connection, first)
    return StatusPage(statuses, None if last is None else min(first, (last // SCAN + 1) * SCAN))


def _last_before(connection: sqlite.Connection, place: int) -> int | None:
    last: int | None = connection.execute(SQL["last_before"], (place,)).fetchone()[0]
    return last


def _read(connection: sqlite.Connection, statement: str, values: _Values) -> list[StoredStatus]:
    (found,) = connection.execute(statement.replace(":matches", SQL["matches"]), values).fetchone()
    return _statuses.decode(found or "[]")


def _full_page(statuses: list[StoredStatus]) -> StatusPage:
    """All but the one by which it is not the last page."""
    return StatusPage(statuses[:-1], statuses[-2].id)


def _values(wanted: StatusFilter, hashes: Hashes, before: int, limit: int) -> _Values:
    # Where nothing else is asked for all candidates match, but for those who share a hash: so many are enough.
    asked_for_more = wanted._replace(message_id="", recipient="") != StatusFilter()
    return {
        "message_hash": hashes.message(wanted.message_id),
        "address_hash": hashes.address(wanted.recipient),
        "evidences": _json_or_null([evidence for evidence in Evidence if evidence.state in wanted.states]),
        "provider": next(iter(wanted.providers)) if len(wanted.providers) == 1 else None,
        "providers": _json_or_null(sorted(wanted.providers)) if len(wanted.providers) > 1 else None,
        "message_id": wanted.message_id,
        "recipient": wanted.recipient,
        "updated_after": wanted.updated_after,
        "updated_before": wanted.updated_before,
        "created_after": wanted.created_after,
        "created_before": wanted.created_before,
        "state_changed_before": wanted.state_changed_before,
        "metadata": _json_or_null(sorted(wanted.metadata)),
        "before": before,
        # One more than asked for tells whether the page is the last.
        "limit": limit + 1,
        "scan": SCAN if asked_for_more else min(SCAN, limit + 1),
        "many": MANY,
        "spread": SPREAD,
    }


def _json_or_null(values: Sequence[object]) -> str | None:
    return msgspec.json.encode(values).decode() if values else None
