"""A copy proves that it is its source: nothing that differs is left unsaid, and nothing is finished with it."""

import re
from collections.abc import Callable

import pytest

from msgstate_server.domain.errors import StoreUnusable
from msgstate_server.failpoints import arm
from msgstate_server.store.copyable import TABLES
from msgstate_server.store.opening import open_store
from tests.builders import SECOND, Clock, append, event
from tests.copying.conftest import PAIRS, Urls, agrees, copied
from tests.copying.full import LATER, fill

CHANGES = {
    "UPDATE recipient_status SET address_hash = 1 WHERE id = 7": "recipient_status 7: differs in address_hash",
    "UPDATE recipient_status SET compact_time = NULL WHERE id = 30": "recipient_status 30: differs in compact_time",
    "UPDATE payload SET account = 'x' WHERE id = 3": "payload 3: differs in account",
    "UPDATE event SET payload_id = NULL WHERE position = 1": "event 1: differs in payload_id",
    "UPDATE event SET attributes = attributes || ' ' WHERE position = 340": "event 340: differs in attributes",
    "DELETE FROM event WHERE position = 340": "event 340: is in SOURCE alone",
    "DELETE FROM alias WHERE status_id = 5": r"alias -?\d+ 5: is in SOURCE alone",
    "INSERT INTO alias VALUES (9223372036854775807, 9)": "alias 9223372036854775807 9: is in DEST alone",
    "UPDATE quarantine SET problems = '[]' WHERE id = 1": "quarantine 1: differs in problems",
    "DELETE FROM quarantine WHERE id = 6": "quarantine 6: is in SOURCE alone",
    "UPDATE head SET floor_time = floor_time + 1": "head: is .* in DEST, and .* in SOURCE",
}


@pytest.fixture
def armed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Callable[[], object]], None]:
    """Arms a failpoint for one test."""
    monkeypatch.setattr("msgstate_server.failpoints._armed", {})

    def own(place: str, action: Callable[[], object]) -> None:
        arm(place, lambda: (action(), None)[1])

    return own


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
async def test_one_change_is_found(
    change: str, engine: str, urls: Urls, armed: Callable[[str, Callable[[], object]], None]
) -> None:
    """One value of one row that is not the source's is named, and the copy is no store; the next one begins anew."""
    source, dest = urls.new("sqlite"), urls.new(engine)
    await (await fill(source)).close()
    armed("copy.after_standing", lambda: urls.execute(dest, change))

    outcome = await copied(source, dest, batch=40)

    (finding,) = outcome.findings
    assert re.fullmatch(CHANGES[change], f"{finding.where}: {finding.what}")
    assert not outcome.copied.finished
    armed("copy.after_standing", lambda: None)
    again = await copied(source, dest)
    assert (again.findings, again.copied.finished, again.copied.went_on) == ([], True, False)


@pytest.mark.parametrize("place", ["copy.after_begin", "copy.after_batch", "copy.after_standing"])
async def test_a_source_that_is_written_to_is_told(
    place: str, urls: Urls, armed: Callable[[str, Callable[[], object]], None]
) -> None:
    """A database that moved while it was copied is not taken for copied, and the next copy has all of it."""
    source, dest = urls.new("postgres"), urls.new("sqlite")
    await (await fill(source)).close()
    move = "UPDATE head SET commit_time = commit_time + 1"
    armed(place, lambda: urls.execute(source, move))
    with pytest.raises(
        StoreUnusable, match=r"SOURCE was written to while it was copied, .* run the same command again"
    ):
        await copied(source, dest)
    armed(place, lambda: None)
    urls.execute(source, move.replace("+ 1", "- 1"))
    store = await open_store(source, Clock(LATER + 9 * SECOND))
    await append(store, event(message_id="late"))
    await store.close()
    assert (await copied(source, dest)).copied.finished
    assert await agrees(dest)


async def test_a_source_that_is_written_to_at_the_end_is_told(urls: Urls) -> None:
    """What moves a database while the copy of it is proved is told too: it is in neither view of the source."""
    source, dest = urls.new("postgres"), urls.new("sqlite")
    await (await fill(source)).close()

    def move(step: str, done: int, _: int) -> None:
        if step == "checking DEST" and not done:
            urls.execute(source, "UPDATE head SET commit_time = commit_time + 1")

    with pytest.raises(StoreUnusable, match="SOURCE was written to while it was copied"):
        await copied(source, dest, tell=move)
    with pytest.raises(StoreUnusable, match="is the unfinished copy"):
        await open_store(dest, Clock())


async def test_what_moves_no_head_is_found_too(urls: Urls, armed: Callable[[str, Callable[[], object]], None]) -> None:
    """What was discarded in the source after it was copied is found by the comparison, which reads the source anew."""
    source, dest = urls.new("postgres"), urls.new("sqlite")
    await (await fill(source)).close()
    armed("copy.after_standing", lambda: urls.execute(source, "DELETE FROM quarantine WHERE id = 3"))
    outcome = await copied(source, dest)
    assert [f"{finding.where}: {finding.what}" for finding in outcome.findings] == ["quarantine 3: is in DEST alone"]
    armed("copy.after_standing", lambda: None)
    assert (await copied(source, dest)).copied.finished
    assert urls.execute(dest, "SELECT count(*) FROM quarantine WHERE id = 3") == [(0,)]


@pytest.mark.parametrize(("engine", "other"), PAIRS)
async def test_long_rows_make_small_batches(
    engine: str, other: str, urls: Urls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long the rows, a batch holds few bytes, so that a copy of long bodies takes no more memory."""
    source, dest = urls.new(engine), urls.new(other)
    await (await fill(source)).close()
    for own in ("sqlite", "postgres"):
        monkeypatch.setattr(f"msgstate_server.store.{own}.copying.BATCH_BYTES", 500)
    outcome = await copied(source, dest)
    assert outcome.copied.finished
    done = [rows for step, rows, _ in outcome.told if step == "copying"]
    assert len(done) > 20


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
async def test_every_column_is_copied(engine: str, urls: Urls) -> None:
    """The tables and columns that a copy knows are all that there are, so that none is left behind."""
    url = urls.new(engine)
    await (await open_store(url, Clock())).close()
    if engine == "sqlite":
        sql = (
            "SELECT t.name, c.name FROM sqlite_schema AS t, pragma_table_info(t.name) AS c WHERE t.type = 'table' "
            "AND t.name NOT LIKE 'sqlite_%' AND t.name NOT LIKE '_sqlite_%' AND t.name != 'head' ORDER BY t.name, c.cid"
        )
    else:
        sql = (
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'msgstate' "
            "AND table_name NOT IN ('head', 'migration') ORDER BY table_name, ordinal_position"
        )
    known = [(table.name, column) for table in sorted(TABLES) for column in table.columns]
    assert known == urls.execute(url, sql)
