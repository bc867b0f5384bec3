"""Asked for by ref, a message is what its events make it, whichever of its ids they were reported under."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import asdict, replace

from msgstate_server.domain.decision import candidate
from msgstate_server.domain.events import Event, EventAttributes, EventType
from msgstate_server.domain.identity import Identity
from msgstate_server.domain.status import RecipientStatus
from msgstate_server.queries import get_message_by_ref, list_statuses
from msgstate_server.store.protocol import RefKey, StatusFilter, Store
from tests.builders import NOW, Clock, append
from tests.engines import Engine
from tests.property.test_status_fold import ARRIVAL_DEPENDENT, distinct
from tests.property.test_status_fold import events as any_events

REF = "order-7"
IDS = (REF, "m-1", "m-2")
DEPENDENT = ARRIVAL_DEPENDENT - {"create_time", "update_time"} | {"message_id", "message_refs"}

reports = st.lists(
    st.tuples(any_events, st.sampled_from(IDS)).map(lambda pair: replace(pair[0], message_id=pair[1])),
    min_size=1,
    max_size=12,
)


def facts(status: RecipientStatus) -> dict[str, Any]:
    return {name: value for name, value in asdict(status).items() if name not in DEPENDENT}


def expected(reported: Sequence[Event], now: int) -> dict[str, dict[str, Any]]:
    """What one recipient for each address would be, of all the events that were reported under any of the ids."""
    known: dict[str, RecipientStatus] = {}
    for position, each in enumerate(reported, 1):
        status = known.setdefault(each.recipient, RecipientStatus(each.provider, REF, each.recipient))
        status.apply(each, candidate(each).key, position, now)
    return {address: facts(status) for address, status in known.items()}


async def by_ref(store: Store) -> dict[str, dict[str, Any]]:
    view = await get_message_by_ref(store, RefKey("", REF), "", 1_000)
    page = await list_statuses(store, StatusFilter(message_ref=REF), None, 1_000)
    listed = {each.status.recipient: facts(each.status) for each in page.statuses}
    found = {status.recipient: facts(status) for status in view.recipients}
    assert listed == found
    assert len(view.recipients) == len(found) == sum(view.counts.values())
    return found


async def report(engine: Engine, folder: Any, reported: Sequence[Event], links: Sequence[Event]) -> None:
    clock = Clock()
    store = await engine.open(folder, clock)
    try:
        for each in reported:
            await append(store, each)
            await append(store, each)
        await append(store, *links)
        assert await by_ref(store) == expected([*reported, *links], clock.now)
        # What was reported before comes again.
        await append(store, *reversed(reported))
        assert await by_ref(store) == expected([*reported, *links], clock.now)
    finally:
        await store.close()


@settings(derandomize=True, deadline=None, max_examples=25)
@given(events=reports, early=st.booleans(), data=st.data())
def test_a_view_by_ref_is_the_fold_of_all_events(
    engine: Engine,
    tmp_path_factory: pytest.TempPathFactory,
    events: list[Event],
    early: bool,
    data: st.DataObject,
) -> None:
    """In any order, doubled, and whether the ref came with each event or in the end, the view has the same facts."""
    unlinked = [replace(each, attributes=replace(each.attributes, message_ref=REF if early else "")) for each in events]
    reported = [each.event for each in distinct(data.draw(st.permutations(unlinked)))]
    parts = sorted({Identity(each.provider, each.message_id, each.recipient) for each in reported})
    links = [] if early else [_link(part) for part in parts]
    asyncio.run(report(engine, tmp_path_factory.mktemp("refs"), reported, links))


def _link(part: Identity) -> Event:
    """The event that brings a recipient under the ref."""
    # ACCEPTED is the weakest evidence there is: it moves no recipient that is known already.
    attributes = EventAttributes(event_id="link", message_ref=REF)
    return Event(*part, EventType.ACCEPTED, None, NOW, attributes)
