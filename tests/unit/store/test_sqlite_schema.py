"""The schema explains itself, and every statement that is kept is used."""

import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING

import pytest

from msgstate_server.store.sql import statements
from msgstate_server.store.sqlite import SqliteStore
from msgstate_server.store.sqlite.bulk import write_rows
from tests.unit.store.conftest import connected

if TYPE_CHECKING:
    import sqlite3 as sqlite
else:
    import pysqlite3.dbapi2 as sqlite

PACKAGE = files("msgstate_server.store.sqlite")
SCRIPTS = sorted(
    (entry for entry in PACKAGE.joinpath("migrations").iterdir() if entry.name.endswith(".sql")),
    key=lambda entry: entry.name,
)
TABLE = re.compile(r"((?:^--[^\n]*\n)*)^CREATE TABLE (\w+) \(\n(.*?)^\)", re.MULTILINE | re.DOTALL)
COLUMN = re.compile(r"(^    --.*\n)?^    (?!--|UNIQUE|PRIMARY|CHECK|FOREIGN)(\w+) .*$", re.MULTILINE)


def test_migrations_are_numbered() -> None:
    """Migrations are named by number and purpose, without a gap."""
    names = [entry.name for entry in SCRIPTS]
    assert [name[:5] for name in names] == [f"{number:04}_" for number in range(1, len(names) + 1)]
    assert all(re.fullmatch(r"\d{4}_[a-z_]+\.sql", name) for name in names)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda entry: entry.name)
def test_every_table_and_column_is_explained(script: Traversable) -> None:
    """Each table has a comment above it, and each column one beside or above it."""
    text = script.read_text(encoding="utf-8")
    tables = TABLE.findall(text)
    assert len(tables) == text.count("CREATE TABLE")
    assert [name for comment, name, _ in tables if not comment] == []
    missing = [
        f"{table}.{match[2]}" for _, table, body in tables for match in COLUMN.finditer(body) if "-- " not in match[0]
    ]
    assert missing == []


def test_every_state_is_explained() -> None:
    """The numbers of the evidence column stand beside their meaning."""
    text = SCRIPTS[0].read_text(encoding="utf-8")
    numbers = re.findall(r"^    -- (\d) [a-z]+ +\w", text, re.MULTILINE)
    assert numbers == ["1", "2", "3", "4", "5", "6", "7"]


async def test_comments_reach_the_file(store: SqliteStore) -> None:
    """Whoever opens the file with another tool finds the explanations in its schema, to the last table."""
    with connected(store.path) as connection:
        schema = dict(connection.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL").fetchall())
    assert "-- 7 failed      refused or given up; shows as FAILED, final" in schema["recipient_status"]
    assert "-- 8 bytes of the row that stood at the floor" in schema["head"]


def test_every_statement_is_used() -> None:
    """No statement is kept that nothing runs."""
    source = "".join(entry.read_text("utf-8") for entry in PACKAGE.iterdir() if entry.name.endswith(".py"))
    assert [
        name for name in statements("msgstate_server.store.sqlite", "queries.sql") if f'"{name}"' not in source
    ] == []


def test_statements_are_split_by_name() -> None:
    """A statement is what stands under its name, without comments; what is put into others has no end of its own."""
    for name, text in statements("msgstate_server.store.sqlite", "queries.sql").items():
        assert text.endswith(";") == (name != "matches"), name
        assert text.count(";") == (name != "matches"), name
        assert "-- " not in text, name


@pytest.mark.parametrize("size", [0, 1, 2, 3, 511, 512, 513, 1024, 1025, 1535])
def test_bulk_writes_every_row_once(size: int) -> None:
    """Any number of rows is written whole and in order, with every kind of value."""
    rows = [(number, None if number % 2 else str(number), bytes([number % 256]), number / 2) for number in range(size)]
    connection = sqlite.connect(":memory:")
    try:
        connection.execute("CREATE TABLE t (a, b, c, d)")
        write_rows(connection, "INSERT INTO t :rows", rows)
        assert connection.execute("SELECT * FROM t ORDER BY rowid").fetchall() == rows
    finally:
        connection.close()


def test_bulk_prepares_few_statements() -> None:
    """Rows go 512 at a time, and the rest in powers of two."""
    connection = sqlite.connect(":memory:")
    traced: list[str] = []
    try:
        connection.execute("CREATE TABLE t (a)")
        connection.set_trace_callback(traced.append)
        write_rows(connection, "INSERT INTO t :rows", [(number,) for number in range(1_300)])
    finally:
        connection.close()
    inserts = [text.count("(") for text in traced if text.startswith("INSERT")]
    assert inserts == [512, 512, 256, 16, 4]
