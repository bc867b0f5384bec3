"""`make soak`: every part of the proof, for as long as asked.

`python -m tests.robustness.soak MINUTES [SEED]` prints a table of what was counted and found, then the same as one line
of JSON; it exits with 1 where anything was found.
"""

import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from typing import Final

from tests.robustness.bugs_table import EVERY, TRIED
from tests.robustness.history import Finding, now
from tests.robustness.outages import FAILOVERS
from tests.robustness.parts import Part, lanes
from tests.robustness.report import Report


def soak(seconds: float, seed: int) -> Report:
    """Run every part; a part that took longer than its share takes it from those behind it."""
    total, side_by_side, end = Report(), lanes(), now() + seconds
    with (
        ProcessPoolExecutor(len(side_by_side), get_context("spawn"), max_tasks_per_child=1) as processes,
        ThreadPoolExecutor(len(side_by_side)) as threads,
    ):

        def run(lane: Sequence[Part]) -> list[Report]:
            reports, shares = [], sum(part.share for part in lane)
            for part in lane:
                own = max(0.0, end - now()) * part.share / shares
                reports.append(processes.submit(part.run, own, seed).result())
                shares -= part.share
            return reports

        for reports in threads.map(run, side_by_side):
            for report in reports:
                total.add(report)
    return total


_LONG_MINUTES: Final = 10.0
_LEAST: Final = {"SIGKILLs": 300, FAILOVERS: 1, "bad input": 100_000, TRIED: EVERY}
"""What a long soak must have counted, for what it did not find to say anything."""


def too_little(counts: Mapping[str, int], minutes: float) -> Iterator[Finding]:
    """What there was too little of."""
    for name, least in _LEAST.items() if minutes >= _LONG_MINUTES else ():
        if counts[name] < least:
            yield Finding("the_soak_is_long_enough", f"{name}: {counts[name]}, must be {least} at least")


def main() -> None:
    """Soak for as many minutes as asked."""
    minutes, seed = float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else random.getrandbits(32)
    sys.stdout.write(f"seed {seed}, {minutes:g} minutes\n")
    sys.stdout.flush()
    report = soak(minutes * 60, seed)
    report.findings += too_little(report.counts, minutes)
    sys.stdout.write(f"{report.table()}\n{report.to_json()}\n")
    sys.exit(1 if report.findings else 0)


if __name__ == "__main__":
    main()
