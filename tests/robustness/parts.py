"""The parts of the proof that `make soak` runs, each as `run(seconds, seed)`."""

import asyncio
import logging
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from tests.fuzz.campaign import campaign as attack
from tests.fuzz.campaign import keep
from tests.robustness import power
from tests.robustness.history import Finding, now
from tests.robustness.host import ROOT
from tests.robustness.report import Report
from tests.robustness.run import Plan, campaign

_ROUND_SECONDS: Final = 60.0
"""How long one file is used: what is recorded of it is held in memory."""
_PASSED: Final = re.compile(r"(\d+) passed")


class Part(NamedTuple):
    """What a part is called, what runs it, and its share of the time."""

    name: str
    run: Callable[[float, int], Report]
    share: float


def campaigns(seconds: float, seed: int) -> Report:
    """Campaigns with every fault, each on a file of its own."""
    return asyncio.run(_campaigns(seconds, seed))


async def _campaigns(seconds: float, seed: int) -> Report:
    total, end = Report(), now() + seconds
    seeds = random.Random(seed)  # noqa: S311
    while now() < end:
        folder = Path(tempfile.mkdtemp(prefix="msgstate-soak-"))
        plan = Plan(folder, seeds.getrandbits(32), min(_ROUND_SECONDS, end - now()))
        report = await campaign(plan)
        if report.findings:
            report.findings.insert(0, Finding("campaign", f"seed {plan.seed}; its record and logs are in {folder}"))
        else:
            shutil.rmtree(folder)
        total.add(report)
    return total


def power_cuts(seconds: float, seed: int) -> Report:
    """Power cuts, rebuilt from what a server wrote and synced."""
    with tempfile.TemporaryDirectory(prefix="msgstate-soak-") as folder:
        done = asyncio.run(power.power_cuts(seconds, seed, Path(folder)))
    counts = Counter({"power cuts rebuilt": done.power_cuts, "power cuts: events acknowledged": done.acknowledged})
    findings = [Finding(f"power_cuts_{rule}", f"seed {seed}: {what}") for rule, what in done.findings]
    return Report(counts, findings)


def bad_disks(seconds: float, seed: int) -> Report:
    """Full, failing and read-only disks, and damaged files: the tests of these, again and again."""
    report, end = Report(), now() + seconds
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/robustness", "-k", "test_storage"]
    while now() < end and not report.findings:
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
        passed = _PASSED.search(done.stdout)
        report.counts["bad disks survived"] += int(passed[1]) if passed else 0
        if done.returncode:
            report.findings.append(Finding("bad_disks", f"seed {seed}: {done.stdout[-2_000:]}"))
    return report


def bad_input(seconds: float, seed: int) -> Report:
    """Bad input by the thousands."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable(logging.CRITICAL)
    done = asyncio.run(attack(seconds, seed))
    counts = Counter({f"bad input: {target}": cases for target, cases in done.cases.items()})
    counts["bad input"] = sum(done.cases.values())
    return Report(
        counts, [Finding(f"bad_input_{each.target}", f"{each.error}; {keep(each)}") for each in done.findings]
    )


LANES: Final[Sequence[Sequence[Part]]] = (
    (Part("campaigns", campaigns, 1.0),),
    (Part("power cuts", power_cuts, 0.25), Part("bad disks", bad_disks, 0.1), Part("bad input", bad_input, 0.65)),
)
"""Lanes run side by side, the parts of a lane one after the other, each in a process of its own."""
