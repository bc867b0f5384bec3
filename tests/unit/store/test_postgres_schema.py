"""The schema explains itself, and every statement that is kept is used."""

import re
from importlib.resources import files
from typing import Final

import pytest

from msgstate_server.store.postgres.migrations import MIGRATIONS, Migration
from msgstate_server.store.sql import statements
from tests.unit.store.test_sqlite_schema import COLUMN, SCRIPTS, TABLE

PACKAGE: Final = files("msgstate_server.store.postgres")
NAMED: Final = statements("msgstate_server.store.postgres", "queries.sql")
FRAGMENTS: Final = {"entry", "status", "row", *(name for name in NAMED if name.startswith("candidates"))}
"""What is put into other statements."""


def test_migrations_are_numbered() -> None:
    """Migrations are named by number, kind and purpose; the numbers are every engine's, from where this one began."""
    assert [migration.name[:5] for migration in MIGRATIONS] == ["0003_", "0005_"]
    assert all(re.fullmatch(r"\d{4}_(pre|post)_[a-z_]+", migration.name) for migration in MIGRATIONS)
    assert {int(migration.name[:4]) for migration in MIGRATIONS} <= {int(script.name[:4]) for script in SCRIPTS}


@pytest.mark.parametrize("migration", MIGRATIONS, ids=lambda migration: migration.name)
def test_every_table_and_column_is_explained(migration: Migration) -> None:
    """Each table has a comment above it, and each column one beside or above it."""
    tables = TABLE.findall(migration.script)
    assert len(tables) == migration.script.count("CREATE TABLE")
    assert [name for comment, name, _ in tables if not comment] == []
    missing = [
        f"{table}.{match[2]}" for _, table, body in tables for match in COLUMN.finditer(body) if "-- " not in match[0]
    ]
    assert missing == []


def test_every_state_is_explained() -> None:
    """The numbers of the evidence column stand beside their meaning."""
    numbers = re.findall(r"^    -- (\d) [a-z]+ +\w", MIGRATIONS[0].script, re.MULTILINE)
    assert numbers == ["0", "1", "2", "3", "4", "5", "6", "7"]


def test_every_statement_is_used() -> None:
    """No statement is kept that nothing runs."""
    source = "".join(entry.read_text("utf-8") for entry in PACKAGE.iterdir() if entry.name.endswith(".py"))
    assert [name for name in NAMED if f'"{name}"' not in source] == []


def test_statements_are_split_by_name() -> None:
    """A statement is what stands under its name, without comments; what is put into others has no end of its own."""
    for name, text in NAMED.items():
        assert text.count(";") == (name not in FRAGMENTS), name
        assert text.endswith(";") == (name not in FRAGMENTS), name
        assert "-- " not in text, name
