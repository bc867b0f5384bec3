"""One page of a list: read on until it is full, the list ends, or enough was looked at."""

import pytest

from msgstate_server.domain.states import State
from msgstate_server.queries import list_statuses
from msgstate_server.store.protocol import StatusFilter
from msgstate_server.store.sqlite import SqliteStore, listing
from tests.builders import append, event

FAILED = StatusFilter(states=frozenset({State.FAILED}))


async def test_a_page_is_filled_over_several_reads(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one read sees little, the next goes on from there, and no further than the page is full."""
    monkeypatch.setattr(listing, "SCAN", 2)
    await append(store, *(event(message_id=f"m{number}") for number in range(12)))
    page = await list_statuses(store, StatusFilter(), None, 7)
    assert [stored.status.message_id for stored in page.statuses] == [f"m{number}" for number in range(11, 4, -1)]
    rest = await list_statuses(store, StatusFilter(), page.next, 7)
    assert [stored.status.message_id for stored in rest.statuses] == [f"m{number}" for number in range(4, -1, -1)]
    assert rest.next is None


async def test_a_page_ends_where_enough_was_looked_at(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A filter that matches nothing gives an empty page to go on from, until the list ends."""
    monkeypatch.setattr(listing, "SCAN", 2)
    await append(store, *(event(message_id=f"m{number}") for number in range(50)))
    before: int | None = None
    places = []
    for _ in range(3):
        page = await list_statuses(store, FAILED, before, 10)
        assert page.statuses == []
        before = page.next
        places.append(before)
    assert places == [31, 11, None]
