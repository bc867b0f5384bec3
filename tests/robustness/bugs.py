"""Seeded bugs: each is put into a copy of the server, whose run the rule meant for it must then find fault with."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tests.robustness import engines
from tests.robustness.host import ROOT
from tests.robustness.report import Report
from tests.robustness.run import Plan, campaign

_SERVER: Final = ROOT / "server" / "msgstate_server"


class Edit(NamedTuple):
    """A text of a file of the server's, which stands there once, and what takes its place."""

    file: str
    text: str
    other: str


class Trial(NamedTuple):
    """A campaign in which bugs show, and in which a server without them shows nothing."""

    name: str
    faults: tuple[str, ...]
    cycles: int
    engine: str = engines.SQLITE


class Bug(NamedTuple):
    """What is wrong, the rule that is meant for it, the campaign in which it shows, and the changes that make it."""

    name: str
    rule: str
    trial: Trial
    edits: Sequence[Edit]


PATIENCE_SECONDS: Final = 8.0
"""How long anything may take with a bug put in; without one, as long as in other campaigns."""
_RUNS: Final = 3

CUT: Final = Trial("cut", ("cut",), 3)
BURST: Final = Trial("burst", ("stall@write.before_begin",), 6)
RETENTION: Final = Trial("retention", ("stall@compact.after_floor", "cut"), 4)
FAIL: Final = Trial("fail", ("fail@write.after_head", "fail@write.after_events"), 4)
CRASH: Final = Trial("crash", ("crash@write.before_begin", "crash@write.after_head"), 2)
KILL: Final = Trial("kill", ("kill@compact.after_statuses",), 2)
TERM: Final = Trial("term", ("term@write.after_begin",), 2)
SHARED: Final = Trial("shared", ("database cut", "kill"), 8, engines.POSTGRES)
SHARED_FAIL: Final = Trial("shared, fail", ("fail@write.after_head", "fail@write.after_events"), 4, engines.POSTGRES)
SHARED_FREEZE: Final = Trial("shared, freeze", ("freeze@write.after_head",), 2, engines.POSTGRES)
SHARED_RETENTION: Final = Trial("shared, retention", ("stop",), 6, engines.POSTGRES)
SHARED_FAILOVER: Final = Trial("shared, failover", ("database late failover",), 1, engines.POSTGRES)


def changed(bug: Bug) -> dict[str, str]:
    """The files that a bug changes, with what is in them then; asserts that each text stands there once."""
    sources: dict[str, str] = {}
    for edit in bug.edits:
        source = sources.get(edit.file) or (_SERVER / edit.file).read_text()
        assert source.count(edit.text) == 1, f"in {edit.file} this stands {source.count(edit.text)} times: {edit.text}"
        sources[edit.file] = source.replace(edit.text, edit.other)
    return sources


def plant(bug: Bug | None, folder: Path) -> Path:
    """Copy the server, with a bug or without, and give the folder to run it from."""
    code = folder / "server"
    shutil.copytree(_SERVER, code / _SERVER.name)
    for file, source in (changed(bug) if bug else {}).items():
        (code / _SERVER.name / file).write_text(source)
    return code


async def run_with(bug: Bug, folder: Path, seed: int) -> list[Report]:
    """Run the bug's trial on a server that has it, until anything is found, and again until its rule is broken.

    Three times at most: bugs of timing need luck. The folder is empty.
    """
    reports: list[Report] = []
    for number in range(_RUNS):
        own = folder / str(number)
        own.mkdir()
        plan = _plan(bug.trial, own, seed + number)._replace(patience=PATIENCE_SECONDS, stop_at_first=True)
        reports.append(await campaign(plan, plant(bug, own)))
        if bug.rule in reports[-1].rules():
            break
    return reports


async def run_without(trial: Trial, folder: Path, seed: int) -> Report:
    """Run a trial on a copy of the server that has no bug; the folder is empty."""
    return await campaign(_plan(trial, folder, seed), plant(None, folder))


def _plan(trial: Trial, folder: Path, seed: int) -> Plan:
    (folder / "run").mkdir()
    return Plan(folder / "run", seed, cycles=trial.cycles, faults=trial.faults, engine=trial.engine)
