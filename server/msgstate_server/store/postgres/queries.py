"""The engine's statements, and what their rows become."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from msgstate_server.domain.events import Event, EventAttributes, EventType
from msgstate_server.domain.log import Head, LogEntry, fingerprint
from msgstate_server.domain.states import Evidence
from msgstate_server.store.hashing import Hashes
from msgstate_server.store.rows import labels_from_row
from msgstate_server.store.sql import statements

_NAMED: Final = statements("msgstate_server.store.postgres", "queries.sql")
_ROWS: Final = {f":{name}": _NAMED[name] for name in ("entry", "status", "row")}
_attributes: Final = msgspec.json.Decoder(EventAttributes)
_EVIDENCE: Final = tuple(Evidence)
_TYPES: Final = tuple(EventType)


def _expanded(statement: str) -> str:
    for name, columns in _ROWS.items():
        statement = statement.replace(name, columns)
    return statement


SQL: Final = {name: _expanded(statement) for name, statement in _NAMED.items()}

CANDIDATES: Final = {
    name: SQL["list_recipients"].replace(":candidates", SQL[name])
    for name in ("candidates", "candidates_of_message", "candidates_of_address", "candidates_of_both")
}
"""The statement that lists recipients, by where the candidates come from."""


async def execute(connection: Any, name: str, *values: object) -> int:
    """Run a statement that changes rows; gives how many."""
    # PostgreSQL tells in words: `DELETE 3`.
    tag: str = await connection.execute(SQL[name], *values)
    return int(tag.rpartition(" ")[2])


BEYOND_ALL: Final = 2**63 - 1
"""Where a list that goes down begins."""


def entry_from_row(row: Sequence[Any]) -> LogEntry:
    """The log's row that is in the columns of `:entry`."""
    position, *event, key, before, after, version, commit_time, refs, metadata = row
    provider, message_id, recipient, kind, occurred, received, attributes = event
    return LogEntry(
        position,
        Event(provider, message_id, recipient, _TYPES[kind], occurred, received, _attributes.decode(attributes)),
        key.hex(),
        _EVIDENCE[before],
        _EVIDENCE[after],
        version,
        commit_time,
        *labels_from_row(refs, metadata),
    )


def row_fingerprint(position: int, row: Sequence[Any]) -> bytes:
    """The fingerprint of a row of the log, of the columns of `:row`."""
    key, commit_time, after, version, kept = row
    if kept:
        return bytes.fromhex(kept)
    return fingerprint(position, key.hex(), commit_time, _EVIDENCE[after], version)


async def read_hashes(connection: Any) -> Hashes:
    """The hash functions of the store."""
    return Hashes(await connection.fetchval(SQL["read_hash_key"]))


def head_from_row(row: Sequence[Any]) -> Head:
    """Where the log stands, from the columns of `read_head`."""
    log_id, position, commit_time, floor, floor_fingerprint, floor_time, *last = row
    own = floor_fingerprint if position == floor else row_fingerprint(position, last)
    return Head(log_id, position, commit_time, own, floor, floor_fingerprint, floor_time)
