"""How long a call may take, and how long to wait before it is tried again."""

import random
import time
from typing import Final

FIRST_DELAY: Final = 0.1
CALL_DELAY: Final = 1.0
"""Longest delay between two tries of a call: someone waits for it."""
WATCH_DELAY: Final = 5.0
"""Longest delay between two tries to resume a watch: it is tried for ever."""


class Deadline:
    """A moment, so many seconds from now."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.began = time.monotonic()

    @property
    def remaining(self) -> float:
        """Seconds until then; 0 once it has passed."""
        return max(0.0, self.began + self._seconds - time.monotonic())

    def restart(self) -> None:
        """Begin anew: something moved."""
        self.began = time.monotonic()


class Backoff:
    """Delays that double, jittered so that clients of one lost server do not come back all at once."""

    def __init__(self, longest: float) -> None:
        self._longest = longest
        self._tries = 0

    def delay(self, wished: float | None, servers: int) -> float:
        """Seconds to wait after one more failure, at least what the server wished; none before another server."""
        self._tries += 1
        rounds, rest = divmod(self._tries, servers)
        if rest:
            return 0.0
        # The exponent is bounded, since a watch is resumed for ever and a float ends somewhere.
        longest: float = min(self._longest, FIRST_DELAY * 2.0 ** min(rounds - 1, 16))
        # No security rests on it.
        jittered = longest * random.uniform(0.5, 1)  # noqa: S311
        return jittered if wished is None else wished + jittered
