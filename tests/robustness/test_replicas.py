"""Three servers on a PostgreSQL with a standby, held to the same rules as one server on a file."""

import faulthandler
import sys
from pathlib import Path

import pytest

from tests.postgres.binaries import OF_WHEEL, VARIABLE
from tests.robustness import faults
from tests.robustness.engines import POSTGRES
from tests.robustness.outages import FAILOVERS
from tests.robustness.run import Plan, campaign
from tests.robustness.test_robustness import TEST_SECONDS, write_down

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("robustness")]

SEED = 11
"""With which a server is killed and the database fails over among the first faults."""
WORST = ("freeze@write.after_head", "database hole up@write.after_head", "database hole down@write.after_head")
"""One that holds the head stands still, or is cut off from the database with its commit on the way."""
SUCCESSION = ("database failover", "database late failover", "database failover@write.after_head", "database crash")
"""The primary is lost, its standby too before it, or with a commit on the way; or it comes back with its standby."""


@pytest.fixture(autouse=True)
def time_enough() -> None:
    faulthandler.dump_traceback_later(TEST_SECONDS, file=sys.stderr, exit=True)


async def test_short_run_keeps_every_promise(tmp_path: Path) -> None:
    """Through 12 faults of replicas and of the database, nothing is lost and nothing comes twice."""
    report = write_down(await campaign(Plan(tmp_path, SEED, seconds=TEST_SECONDS, cycles=12, engine=POSTGRES)))

    assert [] == report.findings
    assert report.counts["SIGKILLs"] >= 1
    assert report.counts[FAILOVERS] >= 1
    assert report.counts["watch rows"] >= 1_000


async def test_others_go_on_at_the_worst_of_moments(tmp_path: Path) -> None:
    """While one that has everything but its commit is frozen or cut off, the others soon go on."""
    report = write_down(await campaign(Plan(tmp_path, SEED, cycles=3, faults=WORST, engine=POSTGRES)))

    assert [] == report.findings
    assert {f"nothing is acknowledged by any replica: {fault.partition('@')[0]}" for fault in WORST} == {
        *report.longest
    }


@pytest.mark.slow
@pytest.mark.parametrize("programs", ["found", OF_WHEEL])
async def test_standbys_take_over_from_each_other(
    programs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through one failover after the other, on either PostgreSQL, nothing is lost and nothing comes twice."""
    if programs == OF_WHEEL:
        monkeypatch.setenv(VARIABLE, OF_WHEEL)
    plan = Plan(tmp_path, SEED, cycles=len(SUCCESSION), faults=SUCCESSION, engine=POSTGRES)
    report = write_down(await campaign(plan))

    assert [] == report.findings
    assert report.counts[FAILOVERS] == 3


@pytest.mark.slow
async def test_long_run_keeps_every_promise(tmp_path: Path) -> None:
    """Through 36 of them, nothing is lost and nothing comes twice."""
    report = write_down(await campaign(Plan(tmp_path, SEED + 1, seconds=TEST_SECONDS, cycles=36, engine=POSTGRES)))

    assert [] == report.findings
    assert report.counts["SIGKILLs"] >= 10
    assert report.counts["faults: database crash"] >= 1
    assert report.counts[FAILOVERS] >= 2


@pytest.mark.slow
async def test_others_that_do_not_go_on_fail_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run fails where too little is acknowledged by the others while one is frozen."""
    monkeypatch.setattr(faults, "_OTHERS_DO", 1_000_000)
    plan = Plan(tmp_path, SEED, cycles=1, faults=("stop",), patience=4.0, engine=POSTGRES)

    assert "the_others_go_on" in (await campaign(plan)).rules()
