"""What retention deletes and what it keeps: rows of the log, recipients and bodies, in steps."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from random import Random

import pytest
from msgspec.structs import replace

from msgstate_server.domain.decision import Disposition
from msgstate_server.domain.errors import PositionCompacted
from msgstate_server.domain.events import EventType
from msgstate_server.domain.log import LogEntry
from msgstate_server.domain.status import RecipientStatus
from msgstate_server.store.protocol import MessageKey, StatusFilter, Step, Store
from tests.builders import NOW, SECOND, append, event, find_by_alias, numbered, payload, positions, submission
from tests.contract.conftest import Place

LATER = NOW + 1_000 * SECOND


async def walk(step: Callable[[int, int, int], Awaitable[Step]], before: int = LATER, limit: int = 100) -> list[int]:
    """Take every step; gives how much each deleted."""
    deleted, after = [], 0
    while True:
        done = await step(before, after, limit)
        deleted.append(done.deleted)
        if done.next is None:
            return deleted
        assert done.next > after or done.deleted
        after = done.next


async def status_of(store: Store, message_id: str) -> RecipientStatus:
    """The status of a message with one recipient."""
    (status,) = await store.read_recipients(message_id, "", "", 10)
    return status


async def history(store: Store, message_id: str) -> list[LogEntry]:
    """What is left of a message's events."""
    return await store.read_history(MessageKey("acme", message_id), "", 0, 100)


async def test_a_new_store_has_no_space_to_give_back(store: Store) -> None:
    """What is free is a reserve for new events, or the database server's to look after."""
    await append(store, *numbered(3))

    assert await store.release_pages(100) == 0


async def one_a_second(place: Place, *message_ids: str) -> None:
    """An event of each of these messages, a second after the one before; the first is committed at NOW + 1 s."""
    for message_id in message_ids:
        place.clock.now += SECOND
        await append(place.store, event(message_id=message_id, event_id=str(place.clock.now)))


async def test_a_silent_recipient_loses_all_its_rows(place: Place) -> None:
    """Its rows go, its status stays and says when, the floor is the last of them; all of it outlives a reopening."""
    store = place.store
    await one_a_second(place, "old", "new", "old", "new")
    fingerprint, before = await store.fingerprint_at(3), await status_of(store, "old")
    place.clock.now += SECOND
    assert await walk(store.compact, NOW + 4 * SECOND) == [2]
    head = store.head
    assert (head.position, head.floor, head.floor_fingerprint) == (4, 3, fingerprint)
    assert head.floor_time == NOW + 3 * SECOND
    store = await place.reopen()
    assert store.head == head
    assert await status_of(store, "old") == replace(before, compact_time=NOW + 5 * SECOND)
    assert (await status_of(store, "new")).compact_time is None
    assert [positions(await history(store, message)) for message in ("old", "new")] == [[], [2, 4]]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
async def test_steps_of_any_size_delete_the_same(place: Place, limit: int) -> None:
    """However few rows a step looks at, in the end the same are gone, each step deleting no more than it may."""
    store = place.store
    for first in range(0, 60, 5):
        place.clock.now += SECOND
        await append(store, *numbered(5, messages=1 + first // 5, first=first))
    cutoff = NOW + 9 * SECOND
    rows = await store.read_log(0, 100)
    heard = {entry.event.message_id for entry in rows if entry.commit_time >= cutoff}
    gone = [entry.position for entry in rows if entry.event.message_id not in heard]
    most = max(Counter(entry.event.message_id for entry in rows if entry.position in gone).values())
    deleted = await walk(store.compact, cutoff, limit)
    assert sum(deleted) == len(gone) > 10
    assert max(deleted) <= max(limit, most)
    assert store.head.floor == max(gone)
    left = [position for message in heard for position in positions(await history(store, message))]
    assert sorted(left) == [entry.position for entry in rows if entry.position not in gone]
    assert sum(await walk(store.compact, cutoff, limit)) == 0


async def test_rows_beyond_those_looked_at_go_too(place: Place) -> None:
    """A recipient found by its first row loses the last one in the same step, and the floor is there at once."""
    await one_a_second(place, "old", "other", *["new"] * 4, "old", "new")
    assert await place.store.compact(NOW + 8 * SECOND, 0, 1) == Step(1, 2)
    assert place.store.head.floor == 7
    assert await place.store.compact(NOW + 8 * SECOND, 1, 1) == Step(2, 1)
    assert place.store.head.floor == 7


async def test_one_step_takes_a_recipient_whole(place: Place) -> None:
    """A recipient with more rows than a step may delete is deleted alone; what does not fit waits for the next."""
    for number in range(3):
        await one_a_second(place, *[f"m{number}"] * (2, 9, 2)[number])
    assert await walk(place.store.compact, limit=5) == [2, 9, 2]
    await one_a_second(place, "a", "b", "b", "c", "c", "a", "a", "a")
    assert await walk(place.store.compact, limit=5) == [4, 4]


async def test_silent_is_before_the_time_and_not_at_it(place: Place) -> None:
    """A recipient whose last event was committed just at the time keeps its rows."""
    await one_a_second(place, "m")
    assert await walk(place.store.compact, NOW + SECOND) == [0]
    assert await walk(place.store.compact, NOW + SECOND + 1) == [1]


async def test_the_walk_ends_where_the_log_is_young(place: Place) -> None:
    """Rows that are not old enough are not walked over."""
    await one_a_second(place, "old", *(f"m{number}" for number in range(20)))
    assert await walk(place.store.compact, NOW + 2 * SECOND, 3) == [1]
    assert await walk(place.store.forget, NOW + 2 * SECOND, 3) == [1]


async def test_nothing_to_delete(store: Store) -> None:
    """In an empty store every walk ends at once."""
    for step in (store.compact, store.forget, store.discard_payloads):
        assert await walk(step) == [0]


async def test_the_log_below_its_floor(place: Place) -> None:
    """Pages below the floor are refused, whatever survives there; from the floor on the log is whole."""
    store = place.store
    await one_a_second(place, "new", "old", "new", "old", "new", "new")
    await walk(store.compact, NOW + 5 * SECOND)
    for after in (0, 1, 3):
        with pytest.raises(PositionCompacted, match=r"^the log is kept from position 5 on; ") as caught:
            await store.read_log(after, 10)
        with pytest.raises(PositionCompacted):
            await store.follow_log(after, 10)
        assert caught.value.metadata == {"earliest_position": "5"}
        with pytest.raises(PositionCompacted):
            await store.fingerprint_at(after)
    assert positions(await store.read_log(4, 10)) == [5, 6]
    assert await store.fingerprint_at(4) == store.head.floor_fingerprint
    assert positions(await history(store, "new")) == [1, 3, 5, 6]
    for time in (NOW, NOW + 4 * SECOND):
        with pytest.raises(PositionCompacted):
            await store.last_before(time)
    for time, position in ((4 * SECOND + 1, 4), (5 * SECOND, 4), (6 * SECOND, 5), (7 * SECOND, 6)):
        assert await store.last_before(NOW + time) == (position, await store.fingerprint_at(position))


async def test_a_log_of_which_nothing_is_left_goes_on(place: Place) -> None:
    """Where every row is gone the floor is the head, and the next event is dense behind it."""
    store = place.store
    await one_a_second(place, "a", "b")
    await walk(store.compact)
    head = store.head
    assert (head.floor, head.floor_fingerprint, head.floor_time) == (2, head.fingerprint, head.commit_time)
    assert await store.read_log(2, 10) == []
    assert await place.findings() == []
    assert positions(await append(store, event(message_id="c"))) == [3]
    assert positions(await store.read_log(2, 10)) == [3]


async def test_survivors_still_tell_duplicates(place: Place) -> None:
    """An event whose row is below the floor, but there, is a duplicate still."""
    early = event(EventType.ACCEPTED, message_id="new")
    await append(place.store, early, event(message_id="old"))
    place.clock.now += SECOND
    await one_a_second(place, "new")
    await walk(place.store.compact, NOW + SECOND)
    assert place.store.head.floor == 2
    assert await append(place.store, early) == [(Disposition.DUPLICATE, 1)]


async def test_a_late_event_folds_onto_what_is_known(place: Place) -> None:
    """The state cannot fall, the version goes on, what was counted counts again, and its rows can go once more."""
    store = place.store
    opened = event(EventType.OPENED, event_id="1", occurred=NOW)
    await append(store, event(EventType.SENT), opened)
    place.clock.now = compacted = NOW + 5 * SECOND
    assert await walk(store.compact) == [2]
    place.clock.now += SECOND
    outcomes = await append(store, event(EventType.DELIVERED), opened, event(EventType.BOUNCED))
    assert positions(outcomes) == [3, 4, 5]
    status = await status_of(store, "m")
    assert (status.version, status.position, status.evidence.name) == (3, 5, "FAILED")
    assert (status.open_count, status.create_time, status.compact_time) == (2, NOW, compacted)
    assert (await history(store, "m"))[0].effect.name == "WEAKER"
    assert await place.findings() == []
    place.clock.now += SECOND
    assert await walk(store.compact) == [3]
    assert (await status_of(store, "m")).compact_time == place.clock.now
    assert store.head.floor == 5


async def test_a_clock_that_went_back(place: Place) -> None:
    """A recipient was never compacted before its last event was committed, whatever the clock says."""
    place.clock.now = NOW + SECOND
    await append(place.store, event())
    place.clock.now = NOW
    await walk(place.store.compact)
    assert (await status_of(place.store, "m")).compact_time == NOW + SECOND


async def test_forgotten_recipients(place: Place) -> None:
    """Who was silent for long, and has no rows in the log, is gone with its aliases; who has any stays."""
    store = place.store
    await append(store, event(message_id="old", aliases=["one"]), event(message_id="other", aliases=["one", "two"]))
    await walk(store.compact)
    await one_a_second(place, "other", "new")
    assert await walk(store.forget) == [1]
    assert await store.read_recipients("old", "", "", 10) == []
    assert await find_by_alias(store, "one") == [MessageKey("acme", "other")]
    assert [len(await store.read_recipients(name, "", "", 10)) for name in ("other", "new")] == [1, 1]


@pytest.mark.parametrize("limit", [1, 2, 100])
async def test_a_place_in_a_list_is_never_used_again(place: Place, limit: int) -> None:
    """Recipients that appear after all others were forgotten come before them in lists, also after a reopening."""
    store = place.store
    await one_a_second(place, "a", "b", "c")
    places = [stored.id for stored in (await store.list_recipients(StatusFilter(), None, 10)).statuses]
    await walk(store.compact)
    assert sum(await walk(store.forget, limit=limit)) == 3
    await one_a_second(place, "d")
    reopened = await place.reopen()
    await append(reopened, event(message_id="a"))
    listed = (await reopened.list_recipients(StatusFilter(), None, 10)).statuses
    assert [stored.status.message_id for stored in listed] == ["a", "d"]
    assert min(stored.id for stored in listed) > max(places)
    assert (await reopened.list_recipients(StatusFilter(), places[0], 10)).statuses == []


async def test_a_forgotten_recipient_starts_anew(place: Place) -> None:
    """An event after all was forgotten makes version 1, though the recipient was written to a moment ago."""
    await append(place.store, event(EventType.BOUNCED))
    await walk(place.store.compact)
    await walk(place.store.forget)
    place.clock.now += SECOND
    await append(place.store, event(EventType.SENT))
    status = await status_of(place.store, "m")
    assert (status.version, status.position, status.evidence.name) == (1, 2, "SENT")
    assert (status.create_time, status.compact_time) == (NOW + SECOND, None)


async def test_old_bodies_are_discarded(place: Place) -> None:
    """Bodies received before a time are gone, their events are not; the number of one never leads to another."""
    store = place.store
    for number in range(6):
        kept = payload(b"%d" % number, received=NOW + number * SECOND)
        await store.append([submission(event(event_id=str(number)), payload=kept)])
    assert sum(await walk(store.discard_payloads, NOW + 4 * SECOND, 3)) == 4
    assert [await store.read_payload(position) is not None for position in range(1, 7)] == [False] * 4 + [True] * 2
    assert sum(await walk(store.discard_payloads)) == 2
    await store.append([submission(event(event_id="new"), payload=payload(b"new"))])
    found = [await store.read_payload(position) for position in range(1, 8)]
    assert [body and body.body for body in found] == [None] * 6 + [b"new"]
    assert len(await store.read_log(0, 10)) == 7


@pytest.mark.parametrize("limit", [1, 3, 4, 100])
async def test_an_old_body_behind_younger_ones_is_discarded(place: Place, limit: int) -> None:
    """A body that a replay kept anew goes by when it came, wherever it is among others."""
    store, ages = place.store, [9, 9, 9, 9, 9, 9, 1, 9, 9, 9, 1, 9]
    for number, seconds in enumerate(ages):
        kept = payload(b"%d" % number, received=NOW + seconds * SECOND)
        await store.append([submission(event(event_id=str(number)), payload=kept)])
    assert sum(await walk(store.discard_payloads, NOW + 5 * SECOND, limit)) == 2
    found = [await store.read_payload(position) is not None for position in range(1, 13)]
    assert found == [seconds == 9 for seconds in ages]


async def test_steps_discard_some_bytes_at_a_time(place: Place) -> None:
    """Large bodies are discarded over several steps, and none is passed over."""
    store, noise = place.store, Random(1)  # noqa: S311
    for number in range(5):
        kept = payload(noise.randbytes(2_000_000), received=NOW)
        await store.append([submission(event(event_id=str(number)), payload=kept)])
    assert await walk(store.discard_payloads, LATER, 100) == [3, 2]
    assert [await store.read_payload(position) for position in range(1, 6)] == [None] * 5


async def test_a_body_goes_with_its_last_event(place: Place) -> None:
    """A body stays while any of the events that it brought is in the log, wherever in it that event stood."""
    store = place.store
    for body, message_ids in {b"1": ("a", "b"), b"2": ("b", "a", "c"), b"3": ("c",), b"4": ("c", "a")}.items():
        events = [event(message_id=message_id, event_id=body.decode()) for message_id in message_ids]
        await store.append([submission(*events, payload=payload(body))])
    place.clock.now += SECOND
    await one_a_second(place, "b")

    async def kept() -> list[bytes]:
        found = [await store.read_payload(position) for position in range(1, 10)]
        return sorted({body.body for body in found if body})

    await store.compact(NOW + SECOND, 0, 1)
    assert [await history(store, message) == [] for message in "abc"] == [True, False, False]
    assert await kept() == [b"1", b"2", b"3", b"4"]
    await walk(store.compact, NOW + SECOND)
    assert await kept() == [b"1", b"2"]
    await walk(store.compact)
    assert sum(await walk(store.discard_payloads)) == 0


async def test_steps_beside_writes(place: Place) -> None:
    """Steps between the commits of others delete what is due, and what is written to meanwhile loses nothing."""
    store = place.store

    async def write() -> None:
        for first in range(0, 200, 5):
            place.clock.now += SECOND
            await append(store, *numbered(4, first=first), event(message_id="busy", event_id=str(first)))

    async def delete() -> None:
        while store.head.position < 200:
            await walk(store.compact, store.head.commit_time, 3)
            await walk(store.forget, store.head.commit_time, 2)

    async with asyncio.timeout(30):
        await asyncio.gather(write(), delete())
    assert store.head.floor > 0
    assert len(await history(store, "busy")) == 40
