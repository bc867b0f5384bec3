"""Warnings about what was refused: one for each cause, and a count of those that followed."""

import time
from collections.abc import Callable
from typing import Final

import structlog

SECONDS: Final = 60.0
"""After a warning, the same cause is counted in silence for this long."""
CAUSES: Final = 1_000
"""Causes that are remembered; the one that was warned about first makes room for another."""

_log = structlog.get_logger("msgstate.refused")


class RefusalLog:
    """Warns of refusals without flooding the log; `clock` gives seconds that never go back.

    Neither an address nor an id nor any part of a body may be passed: the log is read by more people than the store is.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start with no cause seen."""
        self._clock = clock
        self._causes: dict[tuple[str, ...], tuple[float, int]] = {}

    def warn(self, event: str, kind: str, cause: str, **where: str) -> None:
        """Log the event with its cause, or count it where the same kind was logged there a short time ago."""
        key = (event, kind, *where.values())
        now = self._clock()
        logged, suppressed = self._causes.pop(key, (-SECONDS, 0))
        if now - logged < SECONDS:
            self._causes[key] = (logged, suppressed + 1)
            return
        self._causes[key] = (now, 0)
        if len(self._causes) > CAUSES:
            del self._causes[next(iter(self._causes))]
        shown = {name: value for name, value in where.items() if value}
        _log.warning(event, cause=cause, **shown, **({"suppressed": suppressed} if suppressed else {}))
