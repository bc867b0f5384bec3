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

from tests.fuzz.campaign import TARGETS, keep
from tests.fuzz.campaign import campaign as attack
from tests.fuzz.guided import guide, why_not
from tests.robustness import engines, power
from tests.robustness.bugs_table import try_bugs
from tests.robustness.history import Finding, now
from tests.robustness.host import ROOT
from tests.robustness.report import Report
from tests.robustness.run import Plan, campaign

_ROUND_SECONDS: Final = 60.0
"""How long one file is used: what is recorded of it is held in memory."""
_FINALE_SECONDS: Final = {engines.SQLITE: 10.0, engines.POSTGRES: 25.0}
"""What a campaign takes beside its cycles: watchers converge, and the judge reads it all."""
_GUIDED_SECONDS: Final = 20.0
"""How long one target is fuzzed at least, of which a quarter is the start."""
_PROCESSES: Final = ("files", "file processes")
"""Targets with processes of their own, which would outlive the one that atheris ends."""
_SEEDS: Final = 2**31 - 1
"""Of atheris."""
_DISK_TESTS: Final = ("tests/robustness/test_storage.py", "tests/robustness/test_storage_damage.py")
_PASSED: Final = re.compile(r"(\d+) passed")


class Part(NamedTuple):
    """What a part is called, what runs it, and its share of the time."""

    name: str
    run: Callable[[float, int], Report]
    share: float


def campaigns(seconds: float, seed: int) -> Report:
    """Campaigns with every fault, each on a file of its own."""
    return asyncio.run(_campaigns(seconds, seed, engines.SQLITE))


def replicas(seconds: float, seed: int) -> Report:
    """The same with three servers, each time on a PostgreSQL of their own, with a standby."""
    return asyncio.run(_campaigns(seconds, seed, engines.POSTGRES))


async def _campaigns(seconds: float, seed: int, engine: str) -> Report:
    total, end, finale = Report(), now() + seconds, _FINALE_SECONDS[engine]
    seeds = random.Random(seed)  # noqa: S311
    while not total.counts or end - now() > 2 * finale:
        folder = Path(tempfile.mkdtemp(prefix="msgstate-soak-"))
        plan = Plan(folder, seeds.getrandbits(32), min(_ROUND_SECONDS, end - now() - finale), engine=engine)
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
    counts = Counter(
        {
            "power cuts rebuilt": done.power_cuts,
            "power cuts: events acknowledged": done.acknowledged,
            "power cuts: webhooks acknowledged": done.hooks,
        }
    )
    findings = [Finding(f"power_cuts_{rule}", f"seed {seed}: {what}") for rule, what in done.findings]
    return Report(counts, findings)


def bad_disks(seconds: float, seed: int) -> Report:
    """Full, failing and read-only disks, and damaged files: the tests of these in random order, again and again."""
    report, end, deck = Report(), now() + seconds, list[str]()
    chosen = random.Random(seed)  # noqa: S311
    while now() < end and not report.findings:
        if not deck:
            found = _pytest("--collect-only", *_DISK_TESTS).stdout
            deck = sorted({line.partition("[")[0] for line in found.splitlines() if "::" in line})
            chosen.shuffle(deck)
        done = _pytest(deck.pop())
        passed = _PASSED.search(done.stdout)
        report.counts["bad disks survived"] += int(passed[1]) if passed else 0
        if done.returncode:
            report.findings.append(Finding("bad_disks", f"seed {seed}: {done.stdout[-2_000:]}"))
    return report


def _pytest(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


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


def guided_input(seconds: float, seed: int) -> Report:
    """Bad input that looks for new paths through the code, for as many targets as the time is enough for."""
    names = [name for name in TARGETS if name not in _PROCESSES]
    count = min(len(names), max(1, int(seconds // _GUIDED_SECONDS)))
    report = Report()
    for name in random.Random(seed).sample(names, count):  # noqa: S311
        done = guide(name, max(1, int(seconds / count - _GUIDED_SECONDS / 4)), seed % _SEEDS)
        report.counts["bad input, guided by coverage"] += done.cases
        if done.broken:
            report.findings.append(Finding(f"guided_input_{name}", done.broken))
    return report


def no_guided_input(_: float, __: int) -> Report:
    """A line that says why input is not guided by coverage."""
    return Report(notes=[f"bad input, guided by coverage: left out, since {why_not()}"])


def seeded_bugs(seconds: float, seed: int) -> Report:
    """Bugs put into copies of the server, to see that the rules catch them."""
    return asyncio.run(try_bugs(seconds, seed))


def lanes() -> Sequence[Sequence[Part]]:
    """Lanes run side by side, the parts of a lane one after the other, each in a process of its own."""
    if why_not():
        inputs = (Part("guided input", no_guided_input, 0.0), Part("bad input", bad_input, 0.95))
    else:
        inputs = (Part("guided input", guided_input, 0.12), Part("bad input", bad_input, 0.95))
    return (
        (Part("campaigns", campaigns, 0.8), Part("replicas", replicas, 0.2)),
        (
            Part("power cuts", power_cuts, 0.12),
            Part("bad disks", bad_disks, 0.06),
            *inputs,
            Part("seeded bugs", seeded_bugs, 1.0),
        ),
    )
