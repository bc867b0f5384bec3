import faulthandler
import signal
import sys
from pathlib import Path

import pytest

from tests.robustness import faults, run
from tests.robustness.arena import Arena
from tests.robustness.engines import SQLITE
from tests.robustness.host import Host
from tests.robustness.replica import Replica
from tests.robustness.report import Report
from tests.robustness.run import Plan, campaign

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("robustness")]

SEED = 4
TEST_SECONDS = 600
"""More than the time that any other test may take."""


@pytest.fixture(autouse=True)
def time_enough() -> None:
    faulthandler.dump_traceback_later(TEST_SECONDS, file=sys.stderr, exit=True)


def write_down(report: Report) -> Report:
    """Show what was counted where a test fails, or `pytest -rP` asks for it."""
    sys.stdout.write(report.table())
    return report


async def test_short_run_keeps_every_promise(tmp_path: Path) -> None:
    """Through 40 kills, stalls, failing disks and broken networks, nothing is lost and nothing comes twice."""
    report = write_down(await campaign(Plan(tmp_path, SEED, seconds=TEST_SECONDS, cycles=40)))

    assert [] == report.findings
    assert report.counts["SIGKILLs"] >= 5
    assert report.counts["events that retention removed unseen"] == 0
    assert report.counts["watch rows"] >= 1_000


@pytest.mark.slow
async def test_long_run_keeps_every_promise(tmp_path: Path) -> None:
    """Through every kind of fault at every place where it can strike, nothing is lost and nothing comes twice."""
    report = write_down(
        await campaign(Plan(tmp_path, SEED + 1, seconds=TEST_SECONDS, cycles=len(faults.FAULTS[SQLITE])))
    )

    assert [] == report.findings
    assert report.counts["SIGKILLs"] >= 20
    assert report.counts["events that retention removed unseen"] == 0


@pytest.mark.slow
async def test_a_fault_that_does_not_happen_fails_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run fails where the failpoint that was armed is never reached."""
    monkeypatch.setattr(Host, "arm", lambda *_: None)

    report = await campaign(Plan(tmp_path, SEED, cycles=1, faults=("kill@write.after_head",), patience=2.0))

    assert "the_fault_happens" in report.rules()


@pytest.mark.slow
async def test_too_little_traffic_fails_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run fails where less was acknowledged before a fault than must be."""
    monkeypatch.setattr(run, "ENOUGH", 1_000_000)

    report = await campaign(Plan(tmp_path, SEED, cycles=1, faults=("cut",), patience=2.0))

    assert "traffic_is_thick_enough" in report.rules()


@pytest.mark.slow
async def test_a_server_that_takes_no_more_fails_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run fails where nothing can be written after a fault."""

    async def freeze(_: Arena, replica: Replica) -> None:
        replica.host.running.send(signal.SIGSTOP)

    monkeypatch.setitem(faults.PLAIN, "stop", freeze)

    assert (
        "last_write_succeeds"
        in (await campaign(Plan(tmp_path, SEED, cycles=1, faults=("stop",), patience=2.0))).rules()
    )
