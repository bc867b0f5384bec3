"""What is not copied, and what is not written over, with the mend."""

import asyncio
import os
from pathlib import Path

import pytest

from msgstate_server.domain.decision import Problem
from msgstate_server.domain.errors import StoreUnusable, UnknownStore
from msgstate_server.store.opening import copyable, open_store
from tests.builders import Clock, append, event, payload, submission
from tests.copying.conftest import Urls, copied
from tests.copying.full import fill
from tests.copying.test_resume import kill

ENGINES = ("sqlite", "postgres")
each_engine = pytest.mark.parametrize("engine", ENGINES)


async def one_event(url: str) -> bytes:
    """Make a store with an event; gives its log's name."""
    store = await open_store(url, Clock())
    await append(store, event())
    await store.close()
    return store.head.log_id


async def refusal(source: str, dest: str) -> str:
    with pytest.raises(StoreUnusable) as caught:
        await copied(source, dest)
    return str(caught.value)


async def test_a_file_that_is_served_is_not_copied(urls: Urls) -> None:
    """The refusal names the process of the server."""
    source = urls.new("sqlite")
    store = await open_store(source, Clock())
    said = await refusal(source, urls.new("sqlite"))
    await store.close()
    assert said.startswith(f"SOURCE: a server (process {os.getpid()}) runs on ")
    assert said.endswith(": stop it first")


@each_engine
async def test_a_database_that_is_served_is_not_copied(
    engine: str, urls: Urls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that is connected to it keeps a database from being copied, and from being made."""
    monkeypatch.setattr("msgstate_server.store.postgres.copying._OTHERS_SECONDS", 0.2)
    served, other = urls.new("postgres"), urls.new(engine)
    await one_event(other)
    store = await open_store(served, Clock())
    await store.read_head()
    refused = [await refusal(served, urls.new(engine)), await refusal(other, served)]
    await store.close()
    what = "a server or another command of msgstate is connected to the database (from 127.0.0.1): stop it first"
    assert refused == [f"SOURCE: {what}", f"DEST: {what}"]


@each_engine
async def test_another_log_is_not_written_over(engine: str, urls: Urls) -> None:
    """A destination with events is refused with what it has, and keeps it."""
    source, dest = urls.new("sqlite"), urls.new(engine)
    await one_event(source)
    name = await one_event(dest)
    expected = f"DEST has another log ({name.hex()}) with events up to position 1: name an empty database or a new file"
    assert await refusal(source, dest) == expected
    assert urls.execute(dest, "SELECT position FROM head") == [(1,)]


@each_engine
async def test_what_waits_in_quarantine_is_not_written_over(engine: str, urls: Urls) -> None:
    """A destination without events is not empty where anything else is in it."""
    source, dest = urls.new("sqlite"), urls.new(engine)
    await one_event(source)
    store = await open_store(dest, Clock())
    await store.append([submission(problems=[Problem("", "bad")], payload=payload(b"bad"))])
    await store.close()
    assert "with no event, but other rows: " in await refusal(source, dest)


@each_engine
async def test_a_store_is_not_copied_to_itself(engine: str, urls: Urls) -> None:
    """Neither one with events nor an empty one, which stay as they are."""
    source = urls.new(engine)
    store = await open_store(source, Clock())
    await store.close()
    assert "it is SOURCE itself" in await refusal(source, source)
    await one_event(source)
    assert "it is SOURCE itself" in await refusal(source, source)


@each_engine
async def test_an_unfinished_copy_of_another_log_is_not_written_over(engine: str, urls: Urls) -> None:
    """It is refused with that log's name, and neither is it copied itself."""
    source, other, dest = urls.new("sqlite"), urls.new("sqlite"), urls.new(engine)
    store = await fill(source)
    await store.close()
    kill(source, dest, "copy.after_batch", 2)
    await one_event(other)
    assert await refusal(other, dest) == (
        f"DEST is an unfinished copy of another log ({store.head.log_id.hex()}): name an empty database or a new file"
    )
    assert "is the unfinished copy of another store" in await refusal(dest, urls.new("sqlite"))


@each_engine
async def test_an_empty_store_is_written_over(engine: str, urls: Urls) -> None:
    """A store that was made and never used is as good as none."""
    source, dest = urls.new("sqlite"), urls.new(engine)
    name = await one_event(source)
    store = await open_store(dest, Clock())
    await store.close()
    assert (await copied(source, dest)).copied.finished
    assert urls.execute(dest, "SELECT log_id, position FROM head") == [(name, 1)]


async def test_a_missing_file_is_not_made(urls: Urls, tmp_path: Path) -> None:
    """A source that is not there is refused, and nothing is made of it or of the destination."""
    assert "does not exist" in await refusal(urls.new("sqlite"), urls.new("sqlite"))
    assert await asyncio.to_thread(lambda: list(tmp_path.iterdir())) == []


async def test_another_programs_file_is_left_alone(urls: Urls) -> None:
    """A database of SQLite that is not msgstate's is not written to."""
    source, dest = urls.new("sqlite"), urls.new("sqlite")
    await one_event(source)
    urls.execute(dest, "CREATE TABLE own (id)")
    assert "is a SQLite database of another program" in await refusal(source, dest)


async def test_a_source_that_does_not_agree_with_itself_is_not_copied(urls: Urls) -> None:
    """What `check` finds in it is given, and nothing is made."""
    source, dest = urls.new("sqlite"), urls.new("postgres")
    await (await fill(source)).close()
    urls.execute(source, "UPDATE recipient_status SET open_count = 77 WHERE id = 9")
    outcome = await copied(source, dest)
    assert [finding.where[:18] for finding in outcome.findings] == ["SOURCE: status 9 ("]
    assert not outcome.copied.finished
    assert urls.execute(dest, "SELECT to_regclass('msgstate.head')") == [(None,)]


async def test_what_the_database_cannot_hold_is_told(urls: Urls) -> None:
    """A row that PostgreSQL refuses ends the copy with its reason, and the destination stays unfinished."""
    source, dest = urls.new("sqlite"), urls.new("postgres")
    await one_event(source)
    urls.execute(source, "INSERT INTO quarantine VALUES (1, x'00', 'p', 'a' || char(0), 1, '[]', 1, x'00')")
    assert await refusal(source, dest) == 'DEST: invalid byte sequence for encoding "UTF8": 0x00'
    assert "is the unfinished copy" in await refusal(dest, urls.new("sqlite"))


def test_a_password_is_not_told() -> None:
    """A URL that names no store is shown without it."""
    with pytest.raises(UnknownStore) as caught:
        copyable("mysql://user:secret@host/db")
    assert "secret" not in str(caught.value)


async def test_a_damaged_source_is_told(urls: Urls) -> None:
    """What cannot be read is told with its side, and not what a driver raises."""
    source = urls.new("sqlite")
    await (await fill(source)).close()
    urls.execute(source, "UPDATE recipient_status SET aliases = '[' WHERE id = 9")
    assert (await refusal(source, urls.new("sqlite"))).endswith(".db: malformed JSON")


async def test_a_database_that_goes_away_is_told(urls: Urls) -> None:
    """A connection that is cut while the source is checked ends the copy with the side that is gone."""
    source = urls.new("postgres")
    await (await fill(source)).close()
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'msgstate copy' AND datname"

    def tell(step: str, done: int, _: int) -> None:
        if (step, done) == ("checking SOURCE", 40):
            urls.execute(source, f"{cut} = '{source.rpartition('/')[2]}'")

    with pytest.raises(StoreUnusable, match=r"^SOURCE: ") as caught:
        await copied(source, urls.new("sqlite"), tell=tell)
    assert "connection" in str(caught.value)
