"""What follows from the log, worked out by the domain's own fold and by nothing of the server's."""

from bisect import bisect_right
from collections import defaultdict
from itertools import pairwise
from typing import NamedTuple

from msgstate_server.domain.status import RecipientStatus
from tests.robustness.archive import Archive
from tests.robustness.rows import Name, Row


class Periods(NamedTuple):
    """How long a silent recipient keeps its events, and then its status, in microseconds; None is for ever."""

    log: int | None = None
    status: int | None = None


class Version(NamedTuple):
    """How far a recipient had come: the commit time of its first event, and its version. Later ones are larger."""

    create_time: int = 0
    version: int = 0


class Model:
    """The log by recipient and by event."""

    def __init__(self, archive: Archive, periods: Periods) -> None:
        """Fold what the archive has; it must be complete by now."""
        self.archive = archive
        self.periods = periods
        self.by_mark: dict[str, list[int]] = defaultdict(list)
        self.by_name: dict[Name, list[int]] = defaultdict(list)
        self.reached: dict[int, Version] = {}
        """By position: how far the recipient had come with this event."""
        self.last_lives: dict[Name, RecipientStatus] = {}
        """The status of each recipient, folded from its events since it was new, or was forgotten."""
        for position in sorted(archive.rows):
            row = archive.rows[position]
            self.by_mark[row.mark].append(position)
            self.by_name[row.name].append(position)
            self._fold(row)

    def _fold(self, row: Row) -> None:
        entry = self.archive.entries[row.position]
        status = self.last_lives.get(row.name)
        if status is None or not entry.before:
            status = self.last_lives[row.name] = RecipientStatus(*row.name)
        status.apply(entry.event, entry.key, entry.position, entry.commit_time)
        self.reached[row.position] = Version(status.create_time, status.version)

    def was_silent(self, name: Name, after: int, to: int, period: int | None) -> bool:
        """Whether two neighbouring events of a recipient, within these positions, are a period or more apart."""
        times = [self.archive.rows[position].commit_time for position in self.by_name[name] if after <= position <= to]
        return period is not None and any(later - earlier >= period for earlier, later in pairwise(times))

    def was_silent_by(self, name: Name, since: int, until: int) -> bool:
        """Whether nothing was heard of a recipient for as long as its status is kept, within these times."""
        period = self.periods.status
        times = (self.archive.rows[position].commit_time for position in self.by_name[name])
        heard = [*(time for time in times if since <= time <= until), until]
        return period is not None and any(later - earlier >= period for earlier, later in pairwise(heard))

    def version_at(self, name: Name, position: int) -> Version:
        """How far a recipient had come at a position of the log."""
        positions = self.by_name.get(name, [])
        index = bisect_right(positions, position)
        return self.reached[positions[index - 1]] if index else Version()
