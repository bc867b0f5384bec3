"""The log as it should be: read from the file, again and again, so that what retention removes was seen before.

It reads the tables with plain SQLite, and shares no code with the store that wrote them.
"""

import asyncio
import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from msgstate_server.domain.events import Event, EventAttributes, EventType
from msgstate_server.domain.log import EMPTY_FINGERPRINT, LogEntry
from msgstate_server.domain.states import Evidence
from tests.robustness.history import Finding, now
from tests.robustness.rows import Row, row_of

if TYPE_CHECKING:
    import sqlite3 as sqlite
else:
    import pysqlite3.dbapi2 as sqlite

PAUSE_SECONDS: Final = 0.1
_EVENTS: Final = """
    SELECT e.position, s.provider, s.message_id, s.recipient, e.type, e.occurred_time, e.received_time, e.attributes,
        lower(hex(e.event_key)), e.from_evidence, e.to_evidence, e.version, e.commit_time
    FROM event AS e JOIN recipient_status AS s ON s.id = e.status_id
    WHERE e.position > ? ORDER BY e.position
"""
_KEPT: Final = "SELECT count(*), coalesce(max(position), ?1) FROM event WHERE position > ?1"
_attributes: Final = msgspec.json.Decoder(EventAttributes)


class Mark(NamedTuple):
    """What the file said of itself at a time of the monotonic clock."""

    at: float
    floor: int
    position: int


class Archive:
    """Every event that was ever seen in the file."""

    def __init__(self, file: Path) -> None:
        """Begin with an empty log, at a file that need not be there yet."""
        self._file = file
        self.entries: dict[int, LogEntry] = {}
        self.rows: dict[int, Row] = {}
        self.marks: list[Mark] = [Mark(0.0, 0, 0)]
        self.findings: list[Finding] = []
        self.unseen: set[int] = set()
        """Positions that retention removed before anyone looked."""
        self.log_id = b""
        self.looked_time = 0
        """When the file was last looked at, as servers tell time: in microseconds since 1970."""
        self._looking = threading.Lock()

    @property
    def last(self) -> Mark:
        """What the file said when it was last looked at."""
        return self.marks[-1]

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.to_thread(self.look)
            await asyncio.sleep(PAUSE_SECONDS)

    def look(self) -> None:
        """Keep what is new; find what a log must never do."""
        with self._looking:
            self._look()

    def _look(self) -> None:
        at = now()
        with closing(connect(self._file)) as connection:
            connection.execute("BEGIN")
            log_id, position, floor = connection.execute("SELECT log_id, position, floor FROM head").fetchone()
            new = [entry_of(record) for record in connection.execute(_EVENTS, (self.last.position,))]
            kept, end = connection.execute(_KEPT, (floor,)).fetchone()
        self.looked_time = time.time_ns() // 1_000
        if self.log_id not in (b"", log_id):
            self.findings.append(Finding("log_keeps_its_end", "the log has another id"))
        self.log_id = log_id
        if position < self.last.position:
            what = f"the log ended at {self.last.position}, and then at {position}"
            self.findings.append(Finding("log_keeps_its_end", what))
        elif (kept, end) != (position - floor, position):
            what = f"{kept} events, the last at {end}, are kept of a log from {floor + 1} to {position}"
            self.findings.append(Finding("positions_are_dense", what))
        self._keep(new, floor, position)
        self.marks.append(Mark(at, floor, max(position, self.last.position)))

    def _keep(self, new: list[LogEntry], floor: int, position: int) -> None:
        for entry in new:
            self.entries[entry.position] = entry
            self.rows[entry.position] = row_of(entry)
        missing = {number for number in range(self.last.position + 1, position + 1) if number not in self.rows}
        self.unseen |= missing

    def retained(self) -> Iterator[LogEntry]:
        """The events that are in the file now."""
        with closing(connect(self._file)) as connection:
            for record in connection.execute(_EVENTS, (0,)):
                yield entry_of(record)

    def between(self, after: int, to: int) -> Iterator[Row]:
        """The rows after one position and up to another."""
        for position in range(after + 1, to + 1):
            row = self.rows.get(position)
            if row is not None:
                yield row

    def before(self, at: float) -> Mark:
        """What the file said at the last look that began before this time."""
        return self.marks[max(0, bisect_left(self.marks, at, key=lambda mark: mark.at) - 1)]

    def after(self, at: float) -> Mark:
        """What the file said at the first look that began after this time."""
        return self.marks[min(len(self.marks) - 1, bisect_right(self.marks, at, key=lambda mark: mark.at))]

    def fingerprint(self, position: int) -> bytes | None:
        """What a token of this position must carry; None where that was not seen."""
        if position == 0:
            return EMPTY_FINGERPRINT
        entry = self.entries.get(position)
        return None if entry is None else entry.fingerprint


def connect(file: Path) -> sqlite.Connection:
    """The file, to be read alone, whether a server runs on it or was killed."""
    return sqlite.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=30.0)


def entry_of(record: tuple[object, ...]) -> LogEntry:
    """A row of the table in the domain's words."""
    position, provider, message_id, recipient, kind, occurred, received, attributes, key, *rest = record
    before, after, version, commit_time = rest
    event = Event(
        provider,  # type: ignore[arg-type]
        message_id,  # type: ignore[arg-type]
        recipient,  # type: ignore[arg-type]
        EventType(kind),  # type: ignore[arg-type]
        occurred,  # type: ignore[arg-type]
        received,  # type: ignore[arg-type]
        _attributes.decode(attributes),  # type: ignore[arg-type]
    )
    return LogEntry(position, event, key, Evidence(before), Evidence(after), version, commit_time)  # type: ignore[arg-type]
