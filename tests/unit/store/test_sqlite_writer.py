"""The statuses that the writer keeps in memory must never differ from those in the file."""

import pytest

from msgstate_server.domain.events import EventType
from msgstate_server.store.check import Finding, Summary, check
from msgstate_server.store.sqlite import SqliteAuditor, SqliteStore, writer
from tests.builders import append, event, numbered, positions
from tests.unit.store.conftest import connected


async def findings(store: SqliteStore) -> list[Finding]:
    """Where the file disagrees with itself."""
    async with SqliteAuditor(store.path).audit() as audit:
        return [finding async for finding in check(audit, Summary())]


async def test_what_a_failed_append_did_to_a_status_is_forgotten(store: SqliteStore) -> None:
    """A status that an event moved in memory alone moves again, to the same version, when the event comes again."""
    await append(store, event(EventType.ACCEPTED))
    with connected(store.path) as connection:
        connection.execute("CREATE TRIGGER refuse AFTER UPDATE ON head BEGIN SELECT raise(FAIL, 'no more'); END")
        with pytest.raises(Exception, match="no more"):
            await append(store, event(EventType.OPENED))
        connection.execute("DROP TRIGGER refuse")
    await append(store, event(EventType.OPENED))
    (status,) = await store.read_recipients("m", "", "", 10)
    assert (status.version, status.open_count, status.position) == (2, 1, 2)
    assert await findings(store) == []


@pytest.mark.parametrize("kept", [0, 1, 3, 7])
async def test_statuses_that_no_longer_fit_are_read_again(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    """Whatever is still in memory of a batch's recipients, some or none or all, the events fold onto the same facts."""
    monkeypatch.setattr(writer, "RECENT_STATUSES", kept)
    for first in range(0, 60, 5):
        outcomes = await append(store, *numbered(5, messages=6, first=first))
        assert positions(outcomes) == list(range(first + 1, first + 6))
        assert len(store._writer._recent) <= kept  # noqa: SLF001
    assert await findings(store) == []


async def test_a_status_of_many_aliases_is_not_kept(store: SqliteStore) -> None:
    """What is kept stays small, and what is not kept folds onto the same facts."""
    for number in range(8):
        await append(store, event(event_id=str(number), aliases=[f"alias-{number}"]))
    assert store._writer._recent == {}  # noqa: SLF001
    (status,) = await store.read_recipients("m", "", "", 10)
    assert status.aliases == [f"alias-{number}" for number in range(8)]
    assert await findings(store) == []
