"""How SQLite finds what is asked for: by an index, and without a look at rows that do not count."""

import pytest

from msgstate_server.store.sqlite import SqliteStore
from msgstate_server.store.sqlite.queries import SQL
from tests.builders import append, numbered

MESSAGE_INDEX = "COVERING INDEX sqlite_autoindex_recipient_status_1 (message_hash=?)"
ADDRESS_INDEX = "COVERING INDEX recipient_status_by_address (address_hash=? AND rowid<?)"
LIST_VALUES = {
    "before": 9,
    "scan": 9,
    "limit": 9,
    "message_hash": 1,
    "address_hash": 1,
    "evidences": "[1]",
    "providers": '["acme"]',
    "message_id": "m",
    "recipient": "a",
    "updated_from": 1,
    "updated_before": 1,
}


def plan(store: SqliteStore, sql: str, values: dict[str, object] | tuple[object, ...]) -> list[str]:
    """The steps of a statement that read something of msgstate's."""
    rows = store._pager.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()  # noqa: SLF001
    steps = [row[3] for row in rows]
    return [step for step in steps if step.startswith(("SEARCH", "SCAN")) and "json_each" not in step]


@pytest.mark.parametrize(
    ("candidates", "found_by"),
    [
        ("candidates", ["SEARCH recipient_status USING INTEGER PRIMARY KEY (rowid<?)"]),
        ("candidates_of_message", [f"SEARCH recipient_status USING {MESSAGE_INDEX}"]),
        ("candidates_of_address", [f"SEARCH recipient_status USING {ADDRESS_INDEX}"]),
        (
            "candidates_of_both",
            [f"SEARCH recipient_status USING {ADDRESS_INDEX}", f"SEARCH recipient_status USING {MESSAGE_INDEX}"],
        ),
    ],
)
async def test_lists_read_the_rows_of_candidates_alone(
    store: SqliteStore, candidates: str, found_by: list[str]
) -> None:
    """Candidates come from an index alone, and only rows of candidates are read, until the page is full."""
    await append(store, *numbered(500))
    part = SQL[candidates].removesuffix(";")
    page = plan(store, SQL["list_recipients"].replace(":candidates", part), LIST_VALUES)
    fetched = ["SCAN candidate", "SEARCH recipient_status USING INTEGER PRIMARY KEY (rowid=?)"]
    assert page[:-1] == [*found_by, *fetched]
    last = plan(store, SQL["last_candidate"].replace(":candidates", part), LIST_VALUES)
    assert last[:-1] == found_by


@pytest.mark.parametrize(
    ("name", "values", "found_by"),
    [
        ("read_messages", ('[["", "m", 1]]', 5), ["INDEX sqlite_autoindex_recipient_status_1 (message_hash=?)"]),
        ("find_by_aliases", ('[["", "m", 1]]', 5), ["PRIMARY KEY (alias_hash=?)", "INTEGER PRIMARY KEY (rowid=?)"]),
        (
            "read_history",
            (1, "acme", "m", 0, 5),
            [
                "INDEX sqlite_autoindex_recipient_status_1 (message_hash=?)",
                "COVERING INDEX sqlite_autoindex_event_1 (status_id=?)",
                "INTEGER PRIMARY KEY (rowid=?)",
                "INTEGER PRIMARY KEY (rowid=?)",
            ],
        ),
        (
            "read_recipient_history",
            (1, 1, "acme", "m", "a", 0, 5),
            [
                "INDEX sqlite_autoindex_recipient_status_1 (message_hash=? AND recipient_hash=?)",
                "COVERING INDEX sqlite_autoindex_event_1 (status_id=?)",
                "INTEGER PRIMARY KEY (rowid=?)",
                "INTEGER PRIMARY KEY (rowid=?)",
            ],
        ),
    ],
)
async def test_look_ups_scan_no_table(
    store: SqliteStore, name: str, values: tuple[object, ...], found_by: list[str]
) -> None:
    """Every step of these is a search in an index."""
    await append(store, *numbered(500))
    searches = [step.split(" USING ")[1] for step in plan(store, SQL[name], values) if step.startswith("SEARCH")]
    assert searches == found_by
