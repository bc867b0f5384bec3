"""Whatever comes, late or twice, and whenever retention runs: no status says less than all that was ever accepted."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from msgstate_server.domain.decision import Candidate, Disposition, candidate
from msgstate_server.domain.errors import PositionCompacted
from msgstate_server.domain.events import Event
from msgstate_server.domain.identity import Identity
from msgstate_server.domain.status import RecipientStatus
from msgstate_server.store.protocol import Store
from msgstate_server.watch.start import resolve
from msgstate_server.watch.token import Token
from tests.builders import NOW, SECOND, Clock, positions, submission
from tests.engines import Engine
from tests.property.test_status_fold import events
from tests.property.test_store_order import findings

RECIPIENTS = [f"{name}@example.com" for name in "abcdef"]
TimelineRow = tuple[str, int, list[Event]]
"""Events that are published, or a step of retention for who was silent for so many seconds."""

happenings: st.SearchStrategy[TimelineRow] = st.one_of(
    st.tuples(
        st.just("append"),
        st.integers(0, 2),
        st.lists(st.builds(replace, events, recipient=st.sampled_from(RECIPIENTS)), min_size=1, max_size=6),
    ),
    st.tuples(st.sampled_from(("compact", "compact", "forget")), st.integers(0, 4), st.just([])),
)


class Model:
    """What the store must say, folded from every event that it ever accepted."""

    def __init__(self) -> None:
        self.statuses: dict[Identity, RecipientStatus] = {}
        self.log: dict[int, Candidate] = {}
        self.tokens = {0: bytes(8)}
        self.floor = 0

    def accept(self, each: Candidate, position: int, commit_time: int) -> None:
        """Fold one event."""
        event = each.event
        new = RecipientStatus(event.provider, event.message_id, event.recipient)
        self.statuses.setdefault(each.identity, new).apply(event, each.key, position, commit_time)
        self.log[position] = each

    def compact(self, silent_since: int, now: int) -> None:
        """Delete the rows of who is silent."""
        gone = [place for place, each in self.log.items() if self.statuses[each.identity].update_time < silent_since]
        for place in gone:
            self.statuses[self.log.pop(place).identity].compact_time = now
        self.floor = max([self.floor, *gone])

    def forget(self, silent_since: int) -> None:
        """Delete who is silent, and has no rows."""
        kept = {each.identity for each in self.log.values()}
        self.statuses = {
            identity: status
            for identity, status in self.statuses.items()
            if identity in kept or status.update_time >= silent_since
        }


async def happen(store: Store, model: Model, clock: Clock, happening: TimelineRow, limit: int) -> None:
    """Let it happen in both."""
    kind, seconds, published = happening
    clock.now += SECOND
    since = clock.now - seconds * SECOND
    if kind == "append":
        candidates = [candidate(event) for event in published]
        (outcomes,) = await store.append([submission(*published)])
        for each, (disposition, position) in zip(candidates, outcomes, strict=True):
            known = model.log.get(position)
            if disposition is Disposition.DUPLICATE:
                assert known
                assert (known.identity, known.key) == (each.identity, each.key)
            else:
                model.accept(each, position, clock.now)
        model.tokens[store.head.position] = store.head.fingerprint
        return
    step = store.compact if kind == "compact" else store.forget
    after: int | None = 0
    while after is not None:
        after = (await step(since, after, limit)).next
    if kind == "compact":
        model.compact(since, clock.now)
    else:
        model.forget(since)


async def assert_same(store: Store, model: Model) -> None:
    """Every status, the floor, and what is read from every place."""
    found = {status.recipient: status for status in await store.read_recipients("m", "", "", 100)}
    assert {status.recipient: status for status in model.statuses.values()} == found
    assert store.head.floor == model.floor
    for place, fingerprint in model.tokens.items():
        token = Token(store.head.log_id, place, fingerprint)
        if place < model.floor:
            for refused in (resolve(store, token), store.read_log(place, 100)):
                with pytest.raises(PositionCompacted):
                    await refused
        else:
            assert await resolve(store, token) == token
            expected = [position for position in sorted(model.log) if position > place]
            assert positions(await store.read_log(place, 1_000)) == expected
            assert expected == list(range(place + 1, store.head.position + 1))


async def one_life(engine: Engine, folder: Path, life: Sequence[TimelineRow], limit: int) -> None:
    """All of it, one after another."""
    clock, model = Clock(NOW), Model()
    store = await engine.open(folder, clock)
    try:
        for happening in life:
            await happen(store, model, clock, happening, limit)
        await assert_same(store, model)
        assert await findings(engine, folder) == []
    finally:
        await store.close()


@settings(derandomize=True, deadline=None, max_examples=25)
@given(life=st.lists(happenings, min_size=4, max_size=25), limit=st.sampled_from((1, 2, 5, 100)))
def test_events_and_retention_in_any_order(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory, life: Sequence[TimelineRow], limit: int
) -> None:
    """Statuses are the fold of all that was accepted, and every place from the floor on sees exactly what follows."""
    asyncio.run(one_life(engine, tmp_path_factory.mktemp("life"), life, limit))
