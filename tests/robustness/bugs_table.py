"""All seeded bugs, and whether the rules catch them."""

import random
import tempfile
from pathlib import Path
from typing import Final

from tests.robustness import power
from tests.robustness.bugs import (
    BURST,
    CRASH,
    CUT,
    FAIL,
    KILL,
    RETENTION,
    SHARED,
    SHARED_FAIL,
    SHARED_FAILOVER,
    SHARED_FREEZE,
    SHARED_RETENTION,
    TERM,
    Bug,
    run_with,
)
from tests.robustness.bugs_shared import SHARED_BUGS
from tests.robustness.bugs_store import STORE_BUGS
from tests.robustness.bugs_watch import WATCH_BUGS
from tests.robustness.history import Finding, now
from tests.robustness.report import Report

TRIALS: Final = (
    CUT,
    BURST,
    FAIL,
    CRASH,
    RETENTION,
    KILL,
    TERM,
    SHARED,
    SHARED_FAIL,
    SHARED_FREEZE,
    SHARED_RETENTION,
    SHARED_FAILOVER,
)
BUGS: Final = (*STORE_BUGS, *WATCH_BUGS, *SHARED_BUGS)
UNSYNCED: Final = ("OFF", "NORMAL")
"""Settings of SQLite's `synchronous` that are bugs too: power cuts show them, and nothing else does."""
_ALONE: Final = (*STORE_BUGS, *WATCH_BUGS, *UNSYNCED)
"""Those of a server alone on its file, which are shown in half the time of the others."""
EVERY: Final = len(_ALONE)
"""How many of those there are."""
TRIED: Final = "seeded bugs"
_CAUGHT: Final = "seeded bugs caught"


async def try_bugs(seconds: float, seed: int) -> Report:
    """Put in one bug after another, in random order, each once, and begin none after so many seconds.

    Those of servers that share a database come last.
    """
    report, end, chosen = Report(), now() + seconds, random.Random(seed)  # noqa: S311
    alone: list[Bug | str] = [*_ALONE]
    shared: list[Bug | str] = [*SHARED_BUGS]
    chosen.shuffle(alone)
    chosen.shuffle(shared)
    bugs = [*shared, *alone]
    while bugs and now() < end:
        bug = bugs.pop()
        with tempfile.TemporaryDirectory(prefix="msgstate-soak-") as folder:
            caught, found = await _try(bug, Path(folder), chosen.getrandbits(32))
        report.counts.update({TRIED: 1, _CAUGHT: int(caught)})
        if not caught:
            name = bug.name if isinstance(bug, Bug) else f"synchronous={bug}"
            report.findings.append(Finding("seeded_bugs_are_caught", f"{name}: found were {sorted(found)}"))
    every = len(alone) + len(shared)
    report.notes.append(f"seeded bugs caught: {report.counts[_CAUGHT]} of {every - len(bugs)} tried, there are {every}")
    return report


async def _try(bug: Bug | str, folder: Path, seed: int) -> tuple[bool, set[str]]:
    """Whether it was caught, and by which rules."""
    if isinstance(bug, Bug):
        rules = set().union(*(report.rules() for report in await run_with(bug, folder, seed)))
        return bug.rule in rules, rules
    done = await power.campaign(folder, seed, synchronous=bug, starts=1)
    rules = {finding.rule for finding in done.findings}
    return "acknowledged" in rules, rules
