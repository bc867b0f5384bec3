"""What clients asked, what they were answered, and when: what the judge has to go by."""

import dataclasses
import json
import time
from bisect import bisect_left, bisect_right
from collections import deque
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

from tests.robustness.rows import Name, Row, Wanted

EARLIEST: Final = "EARLIEST"
NOW: Final = "NOW"
_TOKENS: Final = 4_000
_CLOCK_SLACK: Final = 100_000
"""Microseconds by which a clock may be set while a campaign runs."""


class Finding(NamedTuple):
    """A promise that was broken: which rule says so, and what was seen."""

    rule: str
    what: str


class Fact(NamedTuple):
    """An event as its sender knows it."""

    name: Name
    type: int
    mark: str


@dataclasses.dataclass(slots=True)
class Attempt:
    """One batch on its way in; `error` is the status it failed with, after which its outcome is unknown.

    `positions` and `accepted` are what was answered, as far as this way in tells: of each event its place and whether
    it was new. `new` and `known` count them. Times are of the monotonic clock, in seconds.
    """

    publisher: str
    facts: tuple[Fact, ...]
    begin: float
    end: float = 0.0
    error: str = ""
    positions: tuple[int, ...] = ()
    accepted: tuple[bool, ...] = ()
    new: int = 0
    known: int = 0

    @property
    def acknowledged(self) -> bool:
        """Whether the sender was told that it is durable."""
        return self.end > 0 and not self.error


class Seen(NamedTuple):
    """A recipient's status as a read gave it; a missing one is of version 0."""

    name: Name
    create_time: int
    version: int
    state: int
    position: int


@dataclasses.dataclass(slots=True)
class Read:
    """One look-up or page, with the position that its resume token covers."""

    reader: str
    begin: float
    end: float
    token: str
    seen: tuple[Seen, ...]


class Response(NamedTuple):
    """One response of a watch."""

    at: float
    rows: tuple[Row, ...]
    token: str
    live: bool
    head_position: int


@dataclasses.dataclass(slots=True)
class Segment:
    """One stream of a watch, from its request to its end.

    `start` is EARLIEST, NOW, a token, or a time in microseconds since 1970. `end` is a status, with its reason where it
    has one; CANCELLED is the watcher's own doing.
    """

    watcher: str
    wanted: Wanted
    start: str | int
    begin: float
    responses: list[Response] = dataclasses.field(default_factory=list)
    closed: float = 0.0
    end: str = ""


class Struck(NamedTuple):
    """A fault, from before it happened until a server was there again."""

    fault: str
    begin: float
    end: float


class History:
    """Everything that was recorded of one campaign."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.attempts: list[Attempt] = []
        self.reads: list[Read] = []
        self.segments: list[Segment] = []
        self.faults: list[Struck] = []
        self.findings: list[Finding] = []
        self.errors: list[tuple[str, str]] = []
        """Who was told, and the status: of calls that are recorded nowhere else."""
        self.tokens: deque[str] = deque(maxlen=_TOKENS)
        """Tokens that watches gave out, the newest last."""
        self.told = 0
        """How many rows watchers were told, each as often as it was."""
        self.epoch = time.time() - now()
        """What the monotonic clock is behind servers' clocks, which count from 1970, in seconds."""
        self._rows: dict[Row, Row] = {}

    def find(self, rule: str, what: str) -> None:
        """Note what is wrong on its face."""
        self.findings.append(Finding(rule, what))

    def once(self, rows: tuple[Row, ...]) -> tuple[Row, ...]:
        """The same rows, each kept in memory once however many watchers saw it."""
        self.told += len(rows)
        return tuple(self._rows.setdefault(row, row) for row in rows)

    def acknowledged(self) -> int:
        """How many events were acknowledged, each as often as it was."""
        return sum(len(attempt.facts) for attempt in self.attempts if attempt.acknowledged)

    def silence(self, since: float, until: float) -> float:
        """The longest time within which nothing was acknowledged, of all that have a part between these two."""
        ends = sorted(attempt.end for attempt in self.attempts if attempt.acknowledged)
        first, last = bisect_right(ends, since), bisect_left(ends, until)
        shown = [*ends[max(0, first - 1) : last + 1], *([until] if last == len(ends) else [])]
        return max((later - earlier for earlier, later in pairwise(shown)), default=until - since)

    def wall_time(self, at: float) -> int:
        """A time of the monotonic clock as servers tell it, a moment late at most: in microseconds since 1970."""
        return round((self.epoch + at) * 1_000_000) + _CLOCK_SLACK

    def save(self, folder: Path) -> None:
        """Write all of it down, one JSON object a line."""
        folder.mkdir(exist_ok=True)
        for name in ("attempts", "reads", "segments"):
            with (folder / f"{name}.jsonl").open("w") as file:
                for record in getattr(self, name):
                    file.write(json.dumps(dataclasses.asdict(record), default=list) + "\n")


def now() -> float:
    """The monotonic clock, in seconds."""
    return time.monotonic()
