import os
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from tests.postgres.binaries import VARIABLE
from tests.postgres.databases import Databases
from tests.postgres.fixture import StartPostgres

Seen = list[str]
NEEDS_A_DATABASE = f"{Path(__file__)}::test_every_test_gets_an_empty_database_of_its_own"


def run_tests(**variables: str) -> subprocess.CompletedProcess[str]:
    """Run three tests that need a database, where no folder has a server."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-n0", "-q", "-p", "no:cacheprovider", NEEDS_A_DATABASE],
        env={"PATH": os.environ["PATH"], VARIABLE: "/nowhere", **variables},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture(scope="module")
def seen() -> Seen:
    return []


@pytest.mark.parametrize("_turn", range(3))
async def test_every_test_gets_an_empty_database_of_its_own(
    postgres: Databases, postgres_dsn: str, seen: Seen, _turn: int
) -> None:
    """A database of a test is new and empty, and those of the tests before are gone, whoever was connected to them."""
    connection = await asyncpg.connect(postgres_dsn)
    await connection.execute("CREATE TABLE mine (n int)")
    name = await connection.fetchval("SELECT current_database()")
    tables = await connection.fetch("SELECT FROM pg_tables WHERE schemaname = 'public'")

    present = {row["datname"] for row in postgres.query("SELECT datname FROM pg_database")}
    assert len(tables) == 1
    assert name in present
    assert present & set(seen) == set()
    seen.append(name)
    connection.terminate()


def test_a_database_can_be_made_from_another(postgres: Databases, postgres_dsn: str) -> None:
    """A template's tables are in the copy, and changes of the copy are not in the template."""
    template = postgres_dsn.rpartition("/")[2]
    postgres.query("CREATE TABLE number AS SELECT 1 AS n", database=template)
    copy = postgres.create_database(f'{template}_"copy"', template).rpartition("/")[2]

    postgres.query("DELETE FROM number", database=copy)

    assert len(postgres.query("SELECT FROM number", database=template)) == 1
    postgres.drop_database(f'{template}_"copy"')


def test_a_named_server_is_used_and_left_as_it_was(start_postgres: StartPostgres) -> None:
    """With a server's DSN in the environment the tests make their databases there, and remove them."""
    server = start_postgres(log_statement="ddl")

    result = run_tests(MSGSTATE_TEST_POSTGRES=server.dsn())

    assert "3 passed" in result.stdout
    assert server.log().count("CREATE DATABASE") == 3
    assert len(server.query("SELECT FROM pg_database WHERE datname LIKE 'msgstate%'")) == 0


def test_tests_without_a_server_fail() -> None:
    """Where there is no server, tests that need one are errors that name what is missing; none is skipped."""
    result = run_tests()

    assert result.returncode == 1
    assert "NoPostgres: /nowhere has no initdb" in result.stdout
    assert "3 errors" in result.stdout
    assert "skipped" not in result.stdout
