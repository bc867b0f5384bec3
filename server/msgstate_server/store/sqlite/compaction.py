"""What retention deletes, in steps; each is the inside of one transaction of the writer's."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from msgstate_server.domain.identity import Identity
from msgstate_server.domain.log import LogEntry
from msgstate_server.failpoints import failpoint
from msgstate_server.store.discarding import discarded
from msgstate_server.store.hashing import Hashes
from msgstate_server.store.protocol import Step
from msgstate_server.store.sqlite.queries import SQL, fetch_json, read_head

if TYPE_CHECKING:
    import sqlite3 as sqlite
else:
    import pysqlite3.dbapi2 as sqlite


class _Silent(NamedTuple):
    """A recipient who was silent for long: its first row among those looked at, and how many rows it has at all."""

    first: int
    id: int
    identity: Identity
    rows: int


_entries: Final = msgspec.json.Decoder(list[LogEntry])
_silent: Final = msgspec.json.Decoder(list[_Silent])
_forgettable: Final = msgspec.json.Decoder(list[tuple[int, Identity, list[str], list[str]]])
_numbers: Final = msgspec.json.Decoder(list[int])
_payloads: Final = msgspec.json.Decoder(list[tuple[int, int, int]])


def compact(
    connection: sqlite.Connection, compact_time: int, silent_since: int, after: int, limit: int
) -> tuple[Step, list[Identity]]:
    """See `Store`; and whose rows were deleted."""
    count, last, newest = connection.execute(SQL["look_at_log"], (after, limit)).fetchone()
    found = sorted(_silent.decode(fetch_json(connection, "find_silent", (after, last, silent_since))))
    fitting = _fitting(found, limit)
    deleted = _delete_events(connection, [each.id for each in fitting], compact_time) if fitting else 0
    go_on = None if count < limit or newest >= silent_since else last
    if len(fitting) < len(found):
        go_on = found[len(fitting)].first - 1
    return Step(go_on, deleted), [each.identity for each in fitting]


def _fitting(found: Sequence[_Silent], limit: int) -> Sequence[_Silent]:
    """The first ones, who have no more than `limit` rows together; one, where it alone has more."""
    rows = 0
    for index, each in enumerate(found):
        rows += each.rows
        if index and rows > limit:
            return found[:index]
    return found


def _delete_events(connection: sqlite.Connection, ids: Sequence[int], compact_time: int) -> int:
    """Delete all rows of these recipients, and move the floor; gives how many there were."""
    wanted = _text(ids)
    (last,) = _entries.decode(fetch_json(connection, "last_entry_of", (wanted,)))
    payloads = fetch_json(connection, "payloads_of", (wanted,))
    deleted = int(connection.execute(SQL["delete_events"], (wanted,)).rowcount)
    _delete_payloads(connection, _numbers.decode(fetch_json(connection, "find_orphans", (payloads,))))
    failpoint("compact.after_events")
    connection.execute(SQL["write_compact_time"], (wanted, compact_time))
    failpoint("compact.after_statuses")
    if last.position > read_head(connection).floor:
        connection.execute(SQL["write_floor"], (last.position, last.fingerprint, last.commit_time))
    failpoint("compact.after_floor")
    return deleted


def forget(
    connection: sqlite.Connection, hashes: Hashes, silent_since: int, after: int, limit: int
) -> tuple[Step, list[Identity]]:
    """See `Store`; and who was deleted."""
    count, last, newest = connection.execute(SQL["look_at_statuses"], (after, limit)).fetchone()
    found = _forgettable.decode(fetch_json(connection, "find_forgettable", (after, last, silent_since)))
    if found:
        aliases = [(hashes.alias(alias), status_id) for status_id, _, known, _ in found for alias in known]
        aliases += [(hashes.ref(ref), status_id) for status_id, _, _, refs in found for ref in refs]
        ids = [status_id for status_id, *_ in found]
        connection.execute(SQL["delete_aliases"], (_text(aliases),))
        connection.execute(SQL["delete_statuses"], (_text(ids),))
        connection.execute(SQL["write_last_forgotten"], (max(ids),))
        failpoint("forget.after_statuses")
    # Who appeared later than that was heard of later.
    go_on = None if count < limit or newest >= silent_since else last
    return Step(go_on, len(found)), [identity for _, identity, *_ in found]


def discard_payloads(connection: sqlite.Connection, received_before: int, after: int, limit: int) -> Step:
    """See `Store`."""
    looked_at = _payloads.decode(fetch_json(connection, "look_at_payloads", (after, limit)))
    ids, go_on = discarded(looked_at, received_before, after, limit)
    _delete_payloads(connection, ids)
    failpoint("discard.after_payloads")
    return Step(go_on, len(ids))


def _delete_payloads(connection: sqlite.Connection, ids: Sequence[int]) -> None:
    if ids:
        connection.execute(SQL["delete_payloads"], (_text(ids),))
        connection.execute(SQL["write_last_discarded"], (max(ids),))


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()
