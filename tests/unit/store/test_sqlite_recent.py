"""Who follows the log's end is given what was just committed, without a read of the file."""

import pytest
from msgspec.structs import replace

from msgstate_server.domain.errors import HistoryDiverged, PositionCompacted
from msgstate_server.store.sqlite import SqliteStore
from msgstate_server.store.sqlite.recent import KEPT, RecentLog
from tests.builders import NOW, SECOND, append, event, numbered, positions


async def test_what_was_just_committed_is_the_same_as_what_is_read(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From every place that is kept, value by value, and with no file to read them from."""
    await append(store, event(event_id="rich", detail="550 5.1.1 no", metadata={"a": "b"}, aliases=["z", "y"]))
    await append(store, *numbered(9, messages=3))
    expected = {after: await store.read_log(after, 4) for after in range(1, 10)}
    monkeypatch.setattr(store._end, "run", None)  # noqa: SLF001
    for after, entries in expected.items():
        fingerprint = store._recent.after(after - 1, 1, None)[0].fingerprint if after > 1 else None  # noqa: SLF001
        assert await store.follow_log(after, 4, fingerprint) == entries


async def test_what_retention_took_is_not_remembered(store: SqliteStore) -> None:
    """Below the floor nothing is told, though it was written since the start; above it, what follows an equal row."""
    await append(store, *numbered(4))
    await store.compact(NOW + SECOND, 0, 2)
    with pytest.raises(PositionCompacted):
        await store.follow_log(1, 10)
    assert positions(await store.follow_log(2, 10)) == [3, 4]
    with pytest.raises(HistoryDiverged):
        await store.follow_log(2, 10, b"elsewhat")


async def test_only_the_end_is_kept(store: SqliteStore) -> None:
    """However much is written, a bounded number of entries stays, without a hole."""
    await append(store, *numbered(1_000, messages=10))
    entries = await store.read_log(0, 1_000)
    recent = RecentLog()
    for first in range(0, 20_000, 1_000):
        recent.extend([replace(each, position=first + each.position) for each in entries])
    kept = recent.after(20_000 - KEPT, 2 * KEPT, None)
    assert [each.position for each in kept] == list(range(20_001 - KEPT, 20_001))
    assert recent.after(20_000 - 3 * KEPT, 1, None) == []
