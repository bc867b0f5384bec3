"""The rows that were committed last: who follows the log's end takes them from here, and need not read them back."""

from collections.abc import Sequence
from typing import Final

from msgstate_server.domain.log import LogEntry

KEPT: Final = 2_048
"""Rows kept at least, of those that were written since the start: a commit of the usual size."""


class RecentLog:
    """The end of the log without a hole, as far back as it goes."""

    def __init__(self) -> None:
        """Begin with none: what was there before is in the file alone."""
        self._entries: list[LogEntry] = []

    def extend(self, committed: Sequence[LogEntry]) -> None:
        """Add what comes next in the log."""
        if len(self._entries) >= 2 * KEPT:
            del self._entries[:-KEPT]
        self._entries.extend(committed)

    def after(self, position: int, limit: int, expected: bytes | None) -> list[LogEntry]:
        """Up to `limit` entries that come after one; none where that one is not kept, or not as it is `expected`."""
        if not self._entries:
            return []
        at = position - self._entries[0].position
        if not 0 <= at < len(self._entries) or expected not in {None, self._entries[at].fingerprint}:
            return []
        return self._entries[at + 1 : at + 1 + limit]
