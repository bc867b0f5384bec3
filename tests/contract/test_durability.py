"""What was answered stays, whatever becomes of the caller or the store; and a store can be checked meanwhile."""

import asyncio
from contextlib import suppress

import pytest

from msgstate_server.domain.decision import Problem
from msgstate_server.domain.events import Event
from msgstate_server.store.protocol import Store
from tests.builders import TYPES, append, event, find_by_alias, numbered, payload, positions, submission
from tests.contract.conftest import Place

UNSTORABLE = 2**63
"""A time that no database holds in 64 bits: what brings it fails after other rows of its transaction were written."""
PROBLEMS = [Problem("", "no")]


def aliased(first: int) -> list[Event]:
    """30 events of 7 messages, each with an alias."""
    return [
        event(TYPES[number % 17], message_id=f"m{number % 7}", event_id=str(number), aliases=[f"alias{number % 7}"])
        for number in range(first, first + 30)
    ]


async def everything(store: Store) -> tuple[object, ...]:
    """All that a store can be asked for."""
    log = await store.read_log(0, 10_000)
    quarantine = await store.list_quarantine("", True, None, 1_000)
    return (
        store.head,
        log,
        [await store.read_recipients(f"m{number}", "", "", 100) for number in range(8)],
        [await find_by_alias(store, f"alias{number}") for number in range(8)],
        [await store.read_payload(entry.position) for entry in log],
        [await store.read_quarantined(each.id) for each in quarantine.payloads],
    )


async def test_all_of_it_is_there_after_reopening(place: Place) -> None:
    """Log, statuses, aliases, bodies, quarantine and head are the same to the next server."""
    for number in range(5):
        body = payload(b"%d" % number)
        await place.store.append([submission(*aliased(30 * number), payload=body, problems=PROBLEMS), submission()])
    before = await everything(place.store)
    assert await everything(await place.reopen()) == before
    assert positions(await append(place.store, event())) == [151]


@pytest.mark.parametrize("where", [0, 1, 2], ids=["first", "middle", "last"])
async def test_append_that_fails_writes_nothing(place: Place, where: int) -> None:
    """Where one event of a transaction cannot be written, none of it is, and the store goes on."""
    store = place.store
    await store.append([submission(*aliased(0), payload=payload(b"1"))])
    before = await everything(store)
    good = [
        submission(*aliased(30), payload=payload(b"2"), problems=PROBLEMS),
        submission(event(message_id="m7", aliases=["alias7"]), payload=payload(b"3"), problems=PROBLEMS),
    ]
    bad = submission(event(message_id="m7", recipient="b", received=UNSTORABLE), payload=payload(b"4"))
    with pytest.raises((OverflowError, ValueError)):
        await store.append([*good[:where], bad, *good[where:]])
    assert await everything(store) == before
    assert await everything(await place.reopen()) == before
    outcomes = await place.store.append(good)
    assert [position for each in outcomes for position in positions(each)] == list(range(31, 62))


async def test_head_follows_a_commit_whose_caller_went_away(store: Store) -> None:
    """A commit cannot be called back: where its caller is cancelled, those who wait for the head still see it."""
    appending = asyncio.create_task(append(store, *numbered(50)))
    await asyncio.sleep(0)
    appending.cancel()
    with suppress(asyncio.CancelledError):
        await appending
    async with asyncio.timeout(10):
        head = await store.wait_for_head(0)
    assert (head.position, store.head.position) == (50, 50)
    assert positions(await append(store, event())) == [51]


async def test_closing_waits_for_a_commit_whose_caller_went_away(place: Place) -> None:
    """A store that is closed while a commit runs has all of it or none of it when it is opened again."""
    appending = asyncio.create_task(append(place.store, *numbered(500)))
    await asyncio.sleep(0)
    appending.cancel()
    with suppress(asyncio.CancelledError):
        await appending
    store = await place.reopen()
    assert store.head.position == len(await store.read_log(0, 1_000)) == 500


async def test_closing_twice(place: Place) -> None:
    """A store that is closed already can be closed again, and lets go of nothing that is not its own."""
    store = place.store
    await store.close()
    await place.open()
    await store.close()
    assert positions(await append(place.store, event())) == [1]
    assert await place.findings() == []


async def test_check_beside_a_writer_finds_nothing(place: Place) -> None:
    """A store that is written to agrees with itself in every view of it."""
    done = asyncio.Event()

    async def write() -> None:
        first = 0
        while not done.is_set():
            await append(place.store, *numbered(20, messages=9, first=first))
            first += 20

    writing = asyncio.create_task(write())
    heads: set[int] = set()
    for _ in range(8):
        heads.add((await place.store.wait_for_head(max(heads, default=0))).position)
        assert await place.findings() == []
    done.set()
    await writing
    assert len(heads) == 8
