"""The power goes: what was acknowledged is on the disk."""

from pathlib import Path

import pytest

from tests.robustness.power import campaign

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_power_cut_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """Whichever unsynced writes are gone, the store opens, agrees with itself and has all that was acknowledged.

    That is events over gRPC, webhooks and what is in quarantine of them, while retention deletes what is old.
    """
    report = await campaign(tmp_path, 7)

    assert report.findings == []
    assert report.power_cuts >= 25
    assert report.checkpoints >= 3
    assert report.acknowledged >= 100
    assert report.hooks >= 10
    assert report.floor >= 1


@pytest.mark.parametrize("synchronous", [pytest.param("OFF", marks=pytest.mark.slow), "NORMAL"])
async def test_a_store_that_does_not_wait_for_the_disk_is_caught(tmp_path: Path, synchronous: str) -> None:
    """Where commits are not synced, what was acknowledged is missing after a power cut."""
    report = await campaign(tmp_path, 7, synchronous=synchronous, starts=1)

    assert {finding.rule for finding in report.findings} == {"acknowledged"}
