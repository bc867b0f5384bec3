"""The log as it should be: read from its tables, again and again, so that what retention removes was seen before."""

import asyncio
import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

import msgspec

from msgstate_server.domain.events import Event, EventAttributes, EventType
from msgstate_server.domain.log import EMPTY_FINGERPRINT, LogEntry
from msgstate_server.domain.states import Evidence
from tests.robustness.history import Finding, now
from tests.robustness.rows import Row, row_of
from tests.robustness.tables import Away, Tables

PAUSE_SECONDS: Final = 0.1
_attributes: Final = msgspec.json.Decoder(EventAttributes)


class Mark(NamedTuple):
    """What the tables said of themselves at a time of the monotonic clock between these two."""

    begin: float
    end: float
    floor: int
    position: int


class Archive:
    """Every event that was ever seen in the log."""

    def __init__(self, tables: Tables) -> None:
        """Begin with an empty log; the tables need not be there yet."""
        self._tables = tables
        self.entries: dict[int, LogEntry] = {}
        self.rows: dict[int, Row] = {}
        self.marks: list[Mark] = [Mark(0.0, 0.0, 0, 0)]
        self.findings: list[Finding] = []
        self.unseen: set[int] = set()
        """Positions that retention removed before anyone looked."""
        self.log_id = b""
        self.looked_time = 0
        """When the log was last looked at, as servers tell time: in microseconds since 1970."""
        self._looking = threading.Lock()

    @property
    def last(self) -> Mark:
        """What the tables said when they were last looked at."""
        return self.marks[-1]

    async def run(self) -> None:
        """Look until cancelled, whenever the store can be read."""
        while True:
            with suppress(Away):
                await asyncio.to_thread(self.look)
            await asyncio.sleep(PAUSE_SECONDS)

    def look(self) -> None:
        """Keep what is new; find what a log must never do. Raises `Away`."""
        with self._looking:
            self._look()

    def _look(self) -> None:
        begin = now()
        log_id, position, floor, records, kept, end = self._tables.look(self.last.position)
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
        self._keep(map(entry_of, records), floor, position)
        self.marks.append(Mark(begin, now(), floor, max(position, self.last.position)))

    def _keep(self, new: Iterable[LogEntry], floor: int, position: int) -> None:
        for entry in new:
            self.entries[entry.position] = entry
            self.rows[entry.position] = row_of(entry)
        missing = {number for number in range(self.last.position + 1, position + 1) if number not in self.rows}
        self.unseen |= missing

    def retained(self) -> Iterator[LogEntry]:
        """The events that are in the log now."""
        return map(entry_of, self._tables.events())

    def between(self, after: int, to: int) -> Iterator[Row]:
        """The rows after one position and up to another."""
        for position in range(after + 1, to + 1):
            row = self.rows.get(position)
            if row is not None:
                yield row

    def before(self, at: float) -> Mark:
        """What the tables said at the last look that ended before this time."""
        return self.marks[max(0, bisect_left(self.marks, at, key=lambda mark: mark.end) - 1)]

    def after(self, at: float) -> Mark:
        """What the tables said at the first look that began after this time."""
        return self.marks[min(len(self.marks) - 1, bisect_right(self.marks, at, key=lambda mark: mark.begin))]

    def fingerprint(self, position: int) -> bytes | None:
        """What a token of this position must carry; None where that was not seen."""
        if position == 0:
            return EMPTY_FINGERPRINT
        entry = self.entries.get(position)
        return None if entry is None else entry.fingerprint


def entry_of(record: Sequence[Any]) -> LogEntry:
    """A row of the table in the domain's words."""
    position, provider, message_id, recipient, kind, occurred, received, attributes, key, *rest = record
    before, after, version, commit_time = rest
    event = Event(provider, message_id, recipient, EventType(kind), occurred, received, _attributes.decode(attributes))
    return LogEntry(position, event, key, Evidence(before), Evidence(after), version, commit_time)
