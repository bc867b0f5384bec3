"""A file that lost its end: SQLite itself lets some of these pass."""

import os
import shutil
from pathlib import Path

import pytest

from msgstate_server.domain.errors import StoreUnusable
from msgstate_server.store.sqlite import SqliteStore, SqliteUpkeep
from tests.builders import append, numbered

PAGE = 4096
EVENTS = 100


async def killed(path: Path, tmp_path: Path, *, checkpointed: bool) -> Path:
    """The file as a killed server leaves it, with its write-ahead log, which holds the last event or all of them."""
    store = await SqliteStore.open(path)
    await append(store, *numbered(EVENTS))
    if checkpointed:
        store._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # noqa: SLF001  (a server does so by itself)
    await append(store, *numbered(1, first=EVENTS))
    left = tmp_path / "left"
    left.mkdir()
    for name in (path.name, f"{path.name}-wal"):
        shutil.copyfile(path.with_name(name), left / name)
    await store.close()
    return left / path.name


async def refusals(path: Path) -> set[str]:
    """Why it is neither served nor thought well of."""
    told = set()
    with pytest.raises(StoreUnusable) as caught:
        SqliteUpkeep(path).condition()
    told.add(str(caught.value))
    with pytest.raises(StoreUnusable) as caught:
        await SqliteStore.open(path)
    return told | {str(caught.value)}


async def test_a_file_cut_off_beside_its_log_is_refused(path: Path, tmp_path: Path) -> None:
    """Where pages are in neither the file nor the log, the file is refused, though SQLite would open it."""
    left = await killed(path, tmp_path, checkpointed=True)
    pages = left.stat().st_size // PAGE
    os.truncate(left, (pages - 3) * PAGE)

    assert await refusals(left) == {f"{left} is damaged (it lacks 3 of its {pages} pages): restore a backup"}


async def test_a_file_cut_off_within_its_last_page_is_refused(path: Path) -> None:
    """Where half a page is gone and there is no log, the file is refused."""
    store = await SqliteStore.open(path)
    await append(store, *numbered(EVENTS))
    await store.close()
    pages = os.stat(path).st_size // PAGE  # noqa: PTH116
    os.truncate(path, pages * PAGE - 100)

    assert await refusals(path) == {f"{path} is damaged (it lacks 1 of its {pages} pages): restore a backup"}


async def test_a_file_whose_pages_are_still_in_its_log_is_whole(path: Path, tmp_path: Path) -> None:
    """What is in the log need not be in the file yet: the file opens, with all that was committed."""
    left = await killed(path, tmp_path, checkpointed=False)

    store = await SqliteStore.open(left)

    assert store.head.position == EVENTS + 1
    await store.close()
