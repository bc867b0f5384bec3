import faulthandler
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pytest

from tests.robustness.bugs import Bug, Trial, changed, run_with, run_without
from tests.robustness.bugs_table import BUGS, TRIALS

SEED: Final = 20
TEST_SECONDS: Final = 300
"""More than any other test may take."""
QUICK: Final = (
    "a checkpoint goes out before what it covers",
    "the window repeats one where pages end",
)
"""Bugs that are shown soon, and that every run of the tests tries."""
_LANES: Final = 2


@pytest.fixture
def time_enough() -> None:
    faulthandler.dump_traceback_later(TEST_SECONDS, file=sys.stderr, exit=True)


def _in_lanes(cases: Iterable[Bug | Trial]) -> list[object]:
    """Each a case of its own, of which no more than `_LANES` run at once; those that are not quick are slow."""
    return [
        pytest.param(
            case,
            id=case.name,
            marks=[pytest.mark.xdist_group(f"bugs {number % _LANES}")]
            + ([] if case.name in QUICK else [pytest.mark.slow]),
        )
        for number, case in enumerate(cases)
    ]


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.usefixtures("time_enough")
@pytest.mark.parametrize("bug", _in_lanes(BUGS))
async def test_bug_is_caught_by_its_rule(bug: Bug, tmp_path: Path) -> None:
    """A server with this bug breaks the rule that is meant for it."""
    reports = await run_with(bug, tmp_path, SEED)

    for report in reports:
        sys.stdout.write(report.table())
    assert bug.rule in reports[-1].rules()


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.usefixtures("time_enough")
@pytest.mark.parametrize("trial", _in_lanes(TRIALS))
async def test_same_run_without_a_bug_finds_nothing(trial: Trial, tmp_path: Path) -> None:
    """A copy of the server without any bug breaks no rule in the runs that show bugs."""
    report = await run_without(trial, tmp_path, SEED)

    sys.stdout.write(report.table())
    assert [] == report.findings


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_bug_can_be_put_in(bug: Bug) -> None:
    """Each text that a bug changes stands in the server once, and what takes its place is Python."""
    for file, source in changed(bug).items():
        if file.endswith(".py"):
            compile(source, file, "exec")


def test_bugs_are_told_apart_by_name() -> None:
    """No two bugs have one name, and each is shown by one of the runs that are tried without a bug."""
    assert len(BUGS) == len({bug.name for bug in BUGS})
    assert {*TRIALS} == {bug.trial for bug in BUGS}
    assert {*QUICK} < {bug.name for bug in BUGS}
