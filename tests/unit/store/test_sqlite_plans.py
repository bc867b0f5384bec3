"""How SQLite finds what is asked for: by an index, and without a look at rows that do not count."""

import pytest

from msgstate_server.store.sqlite import SqliteStore
from msgstate_server.store.sqlite.queries import SQL
from tests.builders import append, numbered

MESSAGE_INDEX = "COVERING INDEX sqlite_autoindex_recipient_status_1 (message_hash=?)"
ADDRESS_INDEX = "COVERING INDEX recipient_status_by_address (address_hash=? AND rowid<?)"
UNDELIVERED_INDEX = "COVERING INDEX recipient_status_undelivered (id<?)"
LIST_VALUES = {
    "first": 1,
    "before": 9,
    "scan": 9,
    "limit": 9,
    "message_hash": 1,
    "address_hash": 1,
    "evidences": "[1]",
    "provider": "acme",
    "providers": '["acme", "other"]',
    "message_id": "m",
    "recipient": "a",
    "updated_after": 1,
    "updated_before": 1,
    "created_after": 1,
    "created_before": 1,
    "state_changed_before": 1,
    "metadata": '[["a", "1"]]',
}
CAMPAIGN_VALUES = {"many": 9, "spread": 9, "message_hash": 1, "before": 9}


SORT, GROUP, DISTINCT = ("USE TEMP B-TREE FOR " + purpose for purpose in ("ORDER BY", "GROUP BY", "DISTINCT"))
MESSAGE = "INDEX sqlite_autoindex_recipient_status_1 (message_hash=?)"
RECIPIENT = "INDEX sqlite_autoindex_recipient_status_1 (message_hash=? AND recipient_hash=?)"
EVENTS = "COVERING INDEX sqlite_autoindex_event_1 (status_id=?)"
ALIAS = "PRIMARY KEY (alias_hash=?)"
ROW = "INTEGER PRIMARY KEY (rowid=?)"


async def plan(store: SqliteStore, sql: str, values: dict[str, object] | tuple[object, ...]) -> list[str]:
    """How a statement finds rows, and where it sorts; what it does with rows that it has found is left out."""
    rows = await store._pages.run(lambda pager: pager.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall())  # noqa: SLF001
    steps = [row[3] for row in rows]
    parts = (
        "(subquery",
        "candidate",
        "found",
        "gone VIRTUAL TABLE",
        "own VIRTUAL TABLE",
        "pair VIRTUAL TABLE",
        "place",
        "silent",
        "wanted VIRTUAL TABLE",
    )
    found = tuple(f"{how} {part}" for how in ("SCAN", "SEARCH") for part in parts)
    return [
        step.split(" USING ")[-1]
        for step in steps
        if step.startswith(("SEARCH", "SCAN", "USE TEMP")) and not step.startswith(found) and "json_each" not in step
    ]


@pytest.mark.parametrize(
    ("candidates", "found_by"),
    [
        ("candidates_undelivered", [UNDELIVERED_INDEX]),
        # The index goes by hash, so that the numbers of one message's recipients are sorted: numbers alone.
        ("candidates_of_message", [MESSAGE_INDEX, SORT]),
        ("candidates_of_address", [ADDRESS_INDEX]),
        ("candidates_of_both", [ADDRESS_INDEX, MESSAGE_INDEX]),
    ],
)
async def test_lists_read_the_rows_of_candidates_alone(
    store: SqliteStore, candidates: str, found_by: list[str]
) -> None:
    """Candidates come from an index alone, and only rows of candidates are read, until the page is full."""
    await append(store, *numbered(500))
    part = SQL[candidates].removesuffix(";")
    listed = SQL["list_candidates"].replace(":candidates", part).replace(":matches", SQL["matches"])
    page = await plan(store, listed, LIST_VALUES)
    assert page == [*found_by, ROW]
    last = await plan(store, SQL["last_candidate"].replace(":candidates", part), LIST_VALUES)
    assert last == found_by


async def test_lists_read_the_rows_of_a_block_as_they_lie(store: SqliteStore) -> None:
    """Without an index each row is read where the one before it ended, and none is looked up."""
    await append(store, *numbered(500))
    page = await plan(store, SQL["list_block"].replace(":matches", SQL["matches"]), LIST_VALUES)
    assert page == ["INTEGER PRIMARY KEY (rowid>? AND rowid<?)"]


@pytest.mark.parametrize(
    ("name", "values", "found_by"),
    [
        ("read_few_recipients", (1, "m", "acme"), [MESSAGE]),
        ("read_recipient", (1, 1, "m", "acme", "a"), [RECIPIENT]),
        # The first by appearance of those that match: one walk, which keeps as many as are asked for.
        ("read_first_recipients", (1, "m", "", 5), [MESSAGE, SORT]),
        ("read_recipient_anywhere", (1, "m", "a", 5), [MESSAGE, SORT]),
        ("read_messages", ('[["", "m", 1]]', 5), [MESSAGE, SORT]),
        # By provider, numbers alone; then what is left, the first few of each.
        ("read_message_of_providers", (1, "m", '["acme"]', 5), [MESSAGE, SORT, ROW, SORT]),
        # As many groups as a message id has providers, or a message has kinds of evidence.
        ("find_messages", (1, "m", "", 5), [MESSAGE, DISTINCT, SORT]),
        ("count_recipients", (1, "acme", "m"), [MESSAGE, GROUP]),
        # As many as messages share an alias.
        ("find_by_aliases", ('[["", "m", 1]]', 5), [ALIAS, ROW, DISTINCT]),
        ("find_by_alias_of_providers", (1, "m", '["acme"]', 5), [ALIAS, ROW, DISTINCT, SORT]),
        # Positions alone, before a row of the log is read.
        ("read_history", (1, "acme", "m", 0, 5), [MESSAGE, EVENTS, SORT, ROW, ROW]),
        ("read_recipient_history", (1, 1, "acme", "m", "a", 0, 5), [RECIPIENT, EVENTS, SORT, ROW, ROW]),
        ("read_log", (1, 5), ["INTEGER PRIMARY KEY (rowid>?)", ROW]),
        ("read_entry", (1,), [ROW, ROW]),
        ("last_before", (9,), ["INTEGER PRIMARY KEY (rowid<?)"]),
        ("lowest_update_time", (1, 9), ["INTEGER PRIMARY KEY (rowid>? AND rowid<?)"]),
        ("is_campaign", CAMPAIGN_VALUES, ["SCAN CONSTANT ROW", f"COVERING {MESSAGE}", "INTEGER PRIMARY KEY (rowid<?)"]),
        ("last_quarantined", (9, 9), ["INTEGER PRIMARY KEY (rowid<?)"]),
        ("list_quarantine", (9, 1, "acme", 0, 5), ["INTEGER PRIMARY KEY (rowid>? AND rowid<?)"]),
        ("read_ref", (1, "r", "acme", 9), [ALIAS, ROW]),
        ("read_ref_history", (1, "r", "acme", "", 0, 9), [ALIAS, ROW, EVENTS, SORT, ROW, ROW]),
        # What retention looks at and deletes.
        ("look_at_log", (1, 5), ["INTEGER PRIMARY KEY (rowid>?)"]),
        ("find_silent", (1, 9, 5), ["INTEGER PRIMARY KEY (rowid>? AND rowid<?)", ROW, GROUP, EVENTS]),
        ("last_entry_of", ("[1]",), [ROW, EVENTS, ROW]),
        ("payloads_of", ("[1]",), [EVENTS.removeprefix("COVERING "), GROUP]),
        ("find_orphans", ("[[1, 1]]",), ["INTEGER PRIMARY KEY (rowid>?)", "INTEGER PRIMARY KEY (rowid<?)"]),
        ("delete_events", ("[1]",), [EVENTS]),
        ("write_compact_time", ("[1]", 5), [ROW]),
        ("look_at_statuses", (1, 5), ["INTEGER PRIMARY KEY (rowid>?)"]),
        ("find_forgettable", (1, 9, 5), ["INTEGER PRIMARY KEY (rowid>? AND rowid<?)", EVENTS]),
        ("delete_statuses", ("[1]",), [ROW]),
        ("delete_aliases", ("[[1, 1]]",), ["PRIMARY KEY (alias_hash=? AND status_id=?)"]),
        ("look_at_payloads", (1, 5), ["INTEGER PRIMARY KEY (rowid>?)"]),
        ("delete_payloads", ("[1]",), [ROW]),
    ],
)
async def test_look_ups_find_by_an_index_and_sort_little(
    store: SqliteStore, name: str, values: dict[str, object] | tuple[object, ...], found_by: list[str]
) -> None:
    """No statement walks over a table, and none sorts where an index has the order."""
    await append(store, *numbered(500))
    assert await plan(store, SQL[name], values) == found_by
