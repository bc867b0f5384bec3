"""A copy is its source, whichever engines hold the two."""

import pytest

from msgstate_server.domain.decision import Problem
from msgstate_server.store.copyable import TABLES
from msgstate_server.store.opening import open_store
from msgstate_server.store.protocol import StatusFilter, Store
from msgstate_server.watch.token import Token
from tests.builders import NOW, SECOND, Clock, append, event, find_by_alias, payload, positions, submission
from tests.copying.conftest import PAIRS, Urls, agrees, copied
from tests.copying.full import LATER, fill

pytestmark = pytest.mark.parametrize(("engine", "other"), PAIRS)


def rows(urls: Urls, url: str) -> dict[str, list[tuple[object, ...]]]:
    """All that the tables hold, as a plain driver reads it."""
    return {
        table.name: urls.execute(url, f"SELECT {', '.join(table.columns)} FROM {table.name} ORDER BY 1, 2")  # noqa: S608
        for table in TABLES
    }


async def test_all_is_copied(engine: str, other: str, urls: Urls) -> None:
    """Every row, the head and the floor are those of the source, both agree with themselves, and progress was told."""
    source, dest = urls.new(engine), urls.new(other)
    store = await fill(source)
    await store.close()

    outcome = await copied(source, dest, batch=64)

    assert (outcome.findings, outcome.copied.finished, outcome.copied.went_on) == ([], True, False)
    expected = rows(urls, source)
    assert expected == rows(urls, dest)
    assert {name: len(own) for name, own in expected.items()} == outcome.copied.rows
    assert all(expected.values())
    assert await agrees(source)
    assert await agrees(dest)
    made = await open_store(dest, Clock())
    assert await made.read_head() == store.head
    await made.close()
    steps = list(dict.fromkeys(step for step, _, _ in outcome.told))
    assert steps == ["checking SOURCE", "copying", "comparing", "checking DEST"]
    assert [next(told for told in reversed(outcome.told) if told[0] == step)[1:] for step in steps] == [
        (len(expected["recipient_status"]),) * 2,
        (sum(map(len, expected.values())),) * 2,
        (sum(map(len, expected.values())),) * 2,
        (len(expected["recipient_status"]),) * 2,
    ]


async def test_a_reader_goes_on_where_it_was(engine: str, other: str, urls: Urls) -> None:
    """A watch's token, a page's place, an id in quarantine and an alias mean at the copy what they did before."""
    source, dest = urls.new(engine), urls.new(other)
    store = await fill(source)
    (entry, *_) = await store.read_log(store.head.floor + 4, 1)
    token = Token.at(store.head).through(entry).encode()
    page = await store.list_recipients(StatusFilter(), None, 5)
    expected = await _read(store, token, page.next)
    await store.close()

    await copied(source, dest)

    made = await open_store(dest, Clock(LATER + 10 * SECOND))
    assert await _read(made, token, page.next) == expected
    assert await made.read_quarantined(1) is not None
    assert await made.read_quarantined(2) is None
    assert await find_by_alias(made, "second 4") != []
    (outcome,) = await append(made, event(message_id="new"))
    assert outcome.position == store.head.position + 1
    after = Token.decode(token)
    seen = await made.read_log(after.position, 10_000, after.fingerprint)
    assert positions(seen)[-1] == outcome.position
    await made.close()


async def _read(store: Store, token: str, before: int | None) -> list[object]:
    """What goes on from a watch's token and from a page."""
    place = Token.decode(token)
    assert place.log_id == store.head.log_id
    entries = await store.read_log(place.position, 10_000, place.fingerprint)
    return [entries, await store.list_recipients(StatusFilter(), before, 100)]


async def test_no_id_is_given_out_again(engine: str, other: str, urls: Urls) -> None:
    """What is written next gets the same ids at the copy as at the source, also where the last one was deleted."""
    source, dest = urls.new(engine), urls.new(other)
    await (await fill(source)).close()
    await copied(source, dest)
    new = []

    for url in (source, dest):
        store = await open_store(url, Clock(LATER + 10 * SECOND))
        await store.append([submission(event(message_id="new"), payload=payload(b"new"))])
        await store.append([submission(problems=[Problem("", "unknown")], payload=payload(b"unknown"))])
        await store.close()
        tables = ("recipient_status", "payload", "quarantine")
        last = [urls.execute(url, f"SELECT max(id) FROM {table}")[0][0] for table in tables]  # noqa: S608
        new.append(last)

    assert new[0] == new[1]
    assert all(isinstance(number, int) and number > 5 for number in new[0])


async def test_an_empty_store_is_copied(engine: str, other: str, urls: Urls) -> None:
    """A store without an event keeps its name, and its first token."""
    source, dest = urls.new(engine), urls.new(other)
    store = await open_store(source, Clock())
    await store.close()

    assert (await copied(source, dest)).copied.finished

    made = await open_store(dest, Clock())
    assert made.head == store.head
    assert [each.position for each in await append(made, event())] == [1]
    await made.close()


async def test_a_log_without_rows_is_copied(engine: str, other: str, urls: Urls) -> None:
    """Where retention has deleted every row, the head still ends where it did, and the next position follows."""
    source, dest = urls.new(engine), urls.new(other)
    store = await open_store(source, Clock())
    await append(store, event(), event(event_id="2"))
    await store.compact(NOW + SECOND, 0, 100)
    await store.close()

    assert (await copied(source, dest)).copied.finished

    made = await open_store(dest, Clock())
    assert (made.head, made.head.floor) == (store.head, 2)
    assert [each.position for each in await append(made, event(event_id="3"))] == [3]
    await made.close()
