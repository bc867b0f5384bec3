"""Fills a file: `fill FILE MESSAGES EVENTS TIMES` makes so many messages of so many events, and that so many times.

The store itself takes the first ones in; the others are those again, as rows, with ids, names and times of their own.
Every message has one recipient. Beyond them, so that each filter of a list has many pages to give: one campaign has a
sixteenth as many recipients, and of the messages one in sixteen goes to the same address, another comes from another
provider and another is suppressed. Commit times rise along the log, up to now. It prints the seconds as JSON.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from msgstate_server.domain.decision import Submission, candidate
from msgstate_server.domain.events import Event, EventAttributes, EventType
from msgstate_server.domain.log import fingerprint
from msgstate_server.domain.states import Evidence
from msgstate_server.store.sqlite import SqliteStore
from msgstate_server.store.sqlite.connection import open_for_writing
from msgstate_server.store.sqlite.queries import read_hashes
from tests.bench.workload import ADDRESS, CAMPAIGN, OTHER_PROVIDER, SHARE, named

if TYPE_CHECKING:
    import sqlite3 as sqlite
else:
    import pysqlite3.dbapi2 as sqlite

_BATCH: Final = 2_000
_SPREAD: Final = 3_000
_STEP: Final = 1_000
"""Microseconds from one event to the next."""
_TYPES: Final = (EventType.DELIVERED, EventType.ACCEPTED, EventType.SENT, EventType.DEFERRED)
"""The first is what becomes of a message."""

# The rows of the n-th time, of columns that are not as they were. A number stands in each name, at the same place.
_NAME: Final = "printf('bench-%08d@mail.example.com', substr({column}, {place}, 8) + :n * :messages)"
_MESSAGE_ID: Final = f"iif(message_id = '{CAMPAIGN}', message_id, {_NAME.format(column='message_id', place=7)})"
_RECIPIENT: Final = (
    f"iif(recipient = '{ADDRESS}', recipient, 'reader-of-' || {_NAME.format(column='recipient', place=17)})"
)
_STATUS: Final = {
    "id": "id + :n * :statuses",
    "message_id": _MESSAGE_ID,
    "recipient": _RECIPIENT,
    "message_hash": f"hash_of_message({_MESSAGE_ID})",
    "recipient_hash": f"hash_of_recipient(provider, {_RECIPIENT})",
    "address_hash": f"hash_of_address({_RECIPIENT})",
    "position": "position + :n * :events",
    "create_time": "create_time + :n * :span",
    "update_time": "update_time + :n * :span",
    "state_change_time": "state_change_time + :n * :span",
}
_EVENT: Final = {
    "position": "position + :n * :events",
    "status_id": "status_id + :n * :statuses",
    "commit_time": "commit_time + :n * :span",
}


class _Size(NamedTuple):
    messages: int
    statuses: int
    events: int
    span: int


def _events(messages: int, per_message: int, begin: int) -> Iterator[Event]:
    """Every event of the messages and of the campaign, which comes last."""
    statuses = messages + messages // SHARE
    number = 0
    for start in range(0, statuses, _SPREAD):
        for kind in _TYPES[:per_message]:
            for recipient in range(start, min(start + _SPREAD, statuses)):
                yield _event(begin + number * _STEP, number, recipient, messages, kind)
                number += 1


def _event(at: int, number: int, recipient: int, messages: int, kind: EventType) -> Event:
    part = recipient % SHARE if recipient < messages else SHARE
    if part == 2 and kind is EventType.DELIVERED:
        kind = EventType.SUPPRESSED
    return Event(
        OTHER_PROVIDER if part == 1 else "emailit",
        named(recipient) if recipient < messages else CAMPAIGN,
        ADDRESS if part == 0 else f"reader-of-{named(recipient)}",
        kind,
        at,
        at,
        EventAttributes(provider_type="email.delivery", event_id=f"evt_{number:012}"),
    )


async def fill(file: Path, messages: int, per_message: int, times: int) -> _Size:
    """Append all, a batch at a time, so that the last time ends about now: what is old would be deleted."""
    statuses = messages + messages // SHARE
    count = statuses * per_message
    now = time.time_ns() // 1_000 - count * times * _STEP
    store = await SqliteStore.open(file, lambda: now)
    events = list(_events(messages, per_message, now))
    # Also of few events some are committed well before others.
    size = max(1, min(_BATCH, count // 256))
    for start in range(0, count, size):
        batch = events[start : start + size]
        now = batch[-1].received_time
        await store.append([Submission([candidate(event) for event in batch])])
    await store.close()
    return _Size(messages, statuses, count, count * _STEP)


def repeat(file: Path, size: _Size, times: int) -> None:
    """Write the same rows again until they are there so many times."""
    with closing(open_for_writing(file)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -2097152")
        hashes = read_hashes(connection)
        connection.create_function("hash_of_message", 1, hashes.message, deterministic=True)
        connection.create_function("hash_of_recipient", 2, hashes.recipient, deterministic=True)
        connection.create_function("hash_of_address", 1, hashes.address, deterministic=True)
        for number in range(1, times):
            values = size._asdict() | {"n": number}
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(_again(connection, "recipient_status", _STATUS, "id <= :statuses"), values)
            connection.execute(_again(connection, "event", _EVENT, "position <= :events"), values)
            _write_head(connection)
            connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _write_head(connection: sqlite.Connection) -> None:
    """Say in the head what the last row is."""
    last = (
        "SELECT position, lower(hex(event_key)), commit_time, to_evidence, version FROM event ORDER BY 1 DESC LIMIT 1"
    )
    position, key, commit_time, evidence, version = connection.execute(last).fetchone()
    head = (position, commit_time, fingerprint(position, key, commit_time, Evidence(evidence), version))
    connection.execute("UPDATE head SET position = ?, commit_time = ?, fingerprint = ?", head)


def _again(connection: sqlite.Connection, table: str, changed: dict[str, str], first: str) -> str:
    columns = [name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")]
    assert set(changed) <= set(columns), f"the schema has not {set(changed) - set(columns)}"
    selected = ", ".join(changed.get(column, column) for column in columns)
    return f"INSERT INTO {table} SELECT {selected} FROM {table} WHERE {first} ORDER BY 1"  # noqa: S608


def main() -> None:
    """Fill a file, and say how long it took."""
    file, (messages, per_message, times) = Path(sys.argv[1]), map(int, sys.argv[2:])
    began = time.perf_counter()
    size = asyncio.run(fill(file, messages, per_message, times))
    repeat(file, size, times)
    print(json.dumps({"seconds": time.perf_counter() - began}))  # noqa: T201


if __name__ == "__main__":
    main()
