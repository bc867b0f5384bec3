"""A copy that ends midway is gone on with, and ends as if nothing had been."""

import asyncio
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Final

import asyncpg
import pytest
from pysqlite3 import dbapi2

from msgstate_server.domain.errors import StoreUnusable
from msgstate_server.failpoints import FAILPOINTS
from msgstate_server.store.copyable import TABLES
from msgstate_server.store.opening import auditor, open_store, upkeep
from tests.acceptance.server_process import wait_until
from tests.builders import SECOND, Clock, append, event, numbered
from tests.copying.conftest import PAIRS, Urls, agrees, copied
from tests.copying.full import LATER, fill

ROOT: Final = Path(__file__).parents[2]
BATCH: Final = 40
KILLS: Final = [
    ("copy.after_begin", 1),
    ("copy.after_batch", 1),
    ("copy.after_batch", 3),
    ("copy.after_batch", 5),
    ("copy.after_standing", 1),
    ("copy.after_proof", 1),
]


def kill(source: str, dest: str, place: str, count: int) -> None:
    """Copy in a process that is killed there."""
    command = [sys.executable, "-m", "tests.copying.killed", source, dest, str(BATCH), place, str(count)]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == -signal.SIGKILL


def count(urls: Urls, url: str) -> int:
    """Rows of all tables."""
    found = 0
    for table in TABLES:
        ((own,),) = urls.execute(url, f"SELECT count(*) FROM {table.name}")  # noqa: S608
        assert isinstance(own, int)
        found += own
    return found


async def assert_unusable(url: str) -> None:
    """Nothing but the copy takes it for a store."""
    with pytest.raises(StoreUnusable, match="is the unfinished copy of another store: run the same `msgstate copy"):
        await open_store(url, Clock())
    with pytest.raises(StoreUnusable, match="is the unfinished copy"):
        async with auditor(url).audit():
            pass


@pytest.mark.parametrize(("engine", "other"), PAIRS)
async def test_a_killed_copy_is_gone_on_with(engine: str, other: str, urls: Urls) -> None:
    """Killed at one place after the other it goes on each time, is no store until it is finished, and ends right."""
    source, dest = urls.new(engine), urls.new(other)
    await (await fill(source)).close()
    there = -1

    for place, number in KILLS:
        kill(source, dest, place, number)
        await assert_unusable(dest)
        assert count(urls, dest) > there or place in {"copy.after_standing", "copy.after_proof"}
        there = count(urls, dest)

    outcome = await copied(source, dest)
    assert (outcome.findings, outcome.copied.finished, outcome.copied.went_on) == ([], True, True)
    assert await agrees(source)
    assert await agrees(dest)
    assert {place for place, _ in KILLS} == {name for name in FAILPOINTS if name.startswith("copy.")} - {
        "copy.after_finish"
    }


async def test_a_copy_killed_at_its_end_is_finished(urls: Urls) -> None:
    """Killed once it is finished it is a store, and the next copy to it says so."""
    source, dest = urls.new("sqlite"), urls.new("postgres")
    await (await fill(source)).close()
    kill(source, dest, "copy.after_finish", 1)
    assert await agrees(dest)
    with pytest.raises(StoreUnusable, match=r"DEST has this log \([0-9a-f]{32}\) already: .* or a finished copy of it"):
        await copied(source, dest)


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "other"), PAIRS)
async def test_a_copy_killed_anywhere_is_gone_on_with(engine: str, other: str, urls: Urls) -> None:
    """The command itself, killed again and again in the midst of what it writes, ends right."""
    source, dest = urls.new(engine), urls.new(other)
    store = await open_store(source, Clock())
    for first in range(0, 60_000, 1_000):
        await append(store, *numbered(1_000, messages=20_000, first=first))
    await store.close()
    await asyncio.to_thread(_kill_again_and_again, urls, source, dest)
    assert await agrees(dest)


def _kill_again_and_again(urls: Urls, source: str, dest: str) -> None:
    """Kill the command whenever it has copied some more, and let the last one end."""
    command = [sys.executable, "-m", "msgstate_server", "copy", source, dest]
    for rows in (0, 20_000, 40_000, 60_000):
        process = subprocess.Popen(command, cwd=ROOT)
        try:
            wait_until(partial(_has, urls, dest, rows), 60, "rows are copied")
        finally:
            process.kill()
        assert process.wait() == -signal.SIGKILL
    ended = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert ended.stdout.startswith("copied 20000 recipients, 60000 events, ")


def _has(urls: Urls, url: str, rows: int) -> bool:
    try:
        return count(urls, url) >= rows
    except (dbapi2.OperationalError, asyncpg.UndefinedTableError):
        # It is not begun.
        return False


@pytest.mark.parametrize(("engine", "other"), PAIRS)
async def test_a_source_that_went_on_is_copied_anew(engine: str, other: str, urls: Urls) -> None:
    """What was copied before the source was served again is thrown away, so that nothing old is left in the copy."""
    source, dest = urls.new(engine), urls.new(other)
    await (await fill(source)).close()
    kill(source, dest, "copy.after_batch", 8)
    store = await open_store(source, Clock(LATER + 10 * SECOND))
    await append(store, event(message_id="odd0", recipient="new@example.com"), *numbered(5, messages=5, first=9_000))
    await store.close()

    outcome = await copied(source, dest)

    assert (outcome.findings, outcome.copied.finished, outcome.copied.went_on) == ([], True, False)
    assert await agrees(dest)


async def test_an_unfinished_copy_is_not_migrated(urls: Urls) -> None:
    """`migrate` and `doctor` say what it is, too."""
    for engine in ("sqlite", "postgres"):
        source, dest = urls.new("sqlite"), urls.new(engine)
        await (await fill(source)).close()
        kill(source, dest, "copy.after_begin", 1)
        for look in (upkeep(dest).condition, upkeep(dest).migrate):
            with pytest.raises(StoreUnusable, match="is the unfinished copy"):
                await asyncio.to_thread(look)
