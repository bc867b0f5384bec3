"""A list is what a plain loop over all recipients gives, whatever is asked for and in pages of whatever size."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msgstate_server.domain.events import EventType
from msgstate_server.domain.states import State
from msgstate_server.domain.status import RecipientStatus
from msgstate_server.store.postgres import lookups
from msgstate_server.store.protocol import StatusFilter, Store
from msgstate_server.store.sqlite import listing
from tests.builders import NOW, SECOND, TYPES, Clock, append, event
from tests.engines import Engine

PROVIDERS, MESSAGES, RECIPIENTS, TIMES = ("p", "q", "r"), ("m", "n", "o"), ("a", "b", "c", "d"), range(6)

arrivals = st.lists(
    st.tuples(
        st.sampled_from(TYPES),
        st.sampled_from(PROVIDERS),
        st.sampled_from(MESSAGES),
        st.sampled_from(RECIPIENTS),
        st.sampled_from(TIMES),
    ),
    max_size=60,
)
times = st.none() | st.sampled_from([NOW + time * SECOND for time in TIMES])
filters = st.builds(
    StatusFilter,
    states=st.frozensets(st.sampled_from([state for state in State if state is not State.UNSPECIFIED]), max_size=3),
    providers=st.frozensets(st.sampled_from((*PROVIDERS, "nobody")), max_size=2),
    message_id=st.sampled_from(("", "", *MESSAGES)),
    recipient=st.sampled_from(("", "", *RECIPIENTS)),
    updated_after=times,
    updated_before=times,
    message_ref=st.just(""),
    created_after=times,
    created_before=times,
    state_changed_before=times,
    metadata=st.frozensets(st.sampled_from([("kind", kind.name) for kind in TYPES] + [("k'\"", "é")]), max_size=2),
)

Known = dict[tuple[str, str, str], RecipientStatus]
"""Everybody that a store should know, by first appearance."""


def matches(status: RecipientStatus, wanted: StatusFilter) -> bool:
    """What the contract says of each field."""
    return (
        (not wanted.states or status.state in wanted.states)
        and (not wanted.providers or status.provider in wanted.providers)
        and wanted.message_id in ("", status.message_id)
        and wanted.recipient in ("", status.recipient)
        and (wanted.updated_after is None or status.update_time >= wanted.updated_after)
        and (wanted.updated_before is None or status.update_time < wanted.updated_before)
        and (wanted.created_after is None or status.create_time >= wanted.created_after)
        and (wanted.created_before is None or status.create_time < wanted.created_before)
        and (wanted.state_changed_before is None or status.state_change_time < wanted.state_changed_before)
        and all(status.metadata.get(key) == value for key, value in wanted.metadata)
    )


async def tell(store: Store, known: Known, kind: EventType, about: tuple[str, str, str]) -> None:
    """Fold an event both in the store and here."""
    provider, message_id, recipient = about
    position = (await store.read_head()).position
    metadata = {"kind": kind.name, "k'\"": "é"} if position % 2 else {}
    told = event(
        kind, provider=provider, message_id=message_id, recipient=recipient, event_id=str(position), metadata=metadata
    )
    await append(store, told)
    (entry,) = await store.read_log(position, 1)
    known.setdefault(about, RecipientStatus(*about)).apply(told, entry.key, entry.position, entry.commit_time)


async def agree(
    engine: Engine, folder: Path, events: list[tuple[EventType, str, str, str, int]], asked: list[StatusFilter]
) -> None:
    """Fold the events here and in a store; every list of one is that of the other."""
    clock = Clock()
    store = await engine.open(folder, clock)
    try:
        known: Known = {}
        for kind, provider, message_id, recipient, time in sorted(events, key=lambda row: row[4]):
            clock.now = NOW + time * SECOND
            await tell(store, known, kind, (provider, message_id, recipient))
        for limit, wanted in enumerate(asked, 1):
            assert await listed(store, wanted, limit) == [
                status for status in reversed(known.values()) if matches(status, wanted)
            ]
    finally:
        await store.close()


async def listed(store: Store, wanted: StatusFilter, limit: int) -> list[RecipientStatus]:
    """The whole list, in pages."""
    found: list[RecipientStatus] = []
    page = await store.list_recipients(wanted, None, limit)
    found += [stored.status for stored in page.statuses]
    while page.next is not None:
        page = await store.list_recipients(wanted, page.next, limit)
        found += [stored.status for stored in page.statuses]
    return found


@pytest.mark.parametrize("scan", [1, 7, 10_000])
@settings(derandomize=True, deadline=None, max_examples=20)
@given(events=arrivals, asked=st.lists(filters, min_size=1, max_size=12))
def test_lists_agree_with_a_plain_loop(
    engine: Engine,
    tmp_path_factory: pytest.TempPathFactory,
    scan: int,
    events: list[tuple[EventType, str, str, str, int]],
    asked: list[StatusFilter],
) -> None:
    """Every filter, alone and with others, gives exactly what matches, newest first, however little one read sees."""
    with pytest.MonkeyPatch.context() as patched:
        for engines_own in (listing, lookups):
            patched.setattr(engines_own, "SCAN", scan)
        # So that a message of few counts as one of many, of whom some lie close together.
        patched.setattr(listing, "MANY", 1)
        patched.setattr(listing, "SPREAD", 25)
        asyncio.run(agree(engine, tmp_path_factory.mktemp("list"), events, asked))


seconds = st.integers(-1, 3)
changes = st.lists(
    st.tuples(st.sampled_from(("tell", "tell", "tell", "ask", "page", "forget")), seconds, st.integers(1, 9)),
    min_size=10,
    max_size=60,
)


class Changing:
    """A store whose recipients come, move and go between lists of those who were not updated since a time."""

    def __init__(self, store: Store, clock: Clock) -> None:
        """Begin with nobody."""
        self._store, self._clock = store, clock
        self._known: Known = {}
        self._wanted: StatusFilter | None = None
        self._before: int | None = None
        self._there: list[RecipientStatus] = []
        self._found: list[str] = []

    async def step(self, what: str, ago: int, number: int) -> None:
        """One change or one question; times are so many seconds ago."""
        time = self._clock.now - ago * SECOND
        match what:
            case "tell":
                self._clock.now += max(ago, 0) * SECOND
                await tell(self._store, self._known, TYPES[number], ("p", f"m{number}", "a"))
            case "forget":
                await self._store.compact(time, 0, 10_000)
                await self._store.forget(time, 0, 10_000)
                self._known = {key: each for key, each in self._known.items() if each.update_time >= time}
            case "ask":
                wanted = StatusFilter(updated_before=time)
                assert await listed(self._store, wanted, number) == self._matching(wanted)
            case "page":
                await self._page(StatusFilter(updated_before=time), number)

    def _matching(self, wanted: StatusFilter) -> list[RecipientStatus]:
        return [status for status in reversed(self._known.values()) if matches(status, wanted)]

    async def _page(self, wanted: StatusFilter, limit: int) -> None:
        """Go on with a list, or begin one: in the end it had everybody once who was there before and still matches."""
        if self._wanted is None:
            self._wanted, self._before = wanted, None
            self._there, self._found = [*self._known.values()], []
        page = await self._store.list_recipients(self._wanted, self._before, limit)
        matching = self._matching(self._wanted)
        assert [stored.status for stored in page.statuses if stored.status not in matching] == []
        self._found += [stored.status.message_id for stored in page.statuses]
        self._before = page.next
        if page.next is None:
            throughout = [each.message_id for each in matching if any(each is there for there in self._there)]
            assert [message_id for message_id in self._found if message_id in throughout] == throughout
            self._wanted = None


async def change(engine: Engine, folder: Path, steps: list[tuple[str, int, int]]) -> None:
    """Take the steps with a store of their own."""
    clock = Clock()
    store = await engine.open(folder, clock)
    try:
        changing = Changing(store, clock)
        for step in steps:
            await changing.step(*step)
    finally:
        await store.close()


@pytest.mark.parametrize("scan", [1, 2, 5])
@settings(derandomize=True, deadline=None, max_examples=30)
@given(steps=changes)
def test_lists_agree_while_recipients_come_and_go(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory, scan: int, steps: list[tuple[str, int, int]]
) -> None:
    """What a store remembers of those who were updated since a time hides nobody, whatever happens meanwhile."""
    with pytest.MonkeyPatch.context() as patched:
        for engines_own in (listing, lookups):
            patched.setattr(engines_own, "SCAN", scan)
        asyncio.run(change(engine, tmp_path_factory.mktemp("list"), steps))
