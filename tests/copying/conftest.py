from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple
from uuid import uuid4

import pytest

from msgstate_server.store.check import Finding, Summary, check
from msgstate_server.store.copyable import BATCH_ROWS
from msgstate_server.store.copying import Copied, copy
from msgstate_server.store.opening import auditor, copyable
from tests.postgres.databases import Databases
from tests.unit.store.conftest import connected

PAIRS: Final = [(source, dest) for source in ("sqlite", "postgres") for dest in ("sqlite", "postgres")]


class Urls:
    """Makes the URLs of new stores, none of which is there yet, or is empty."""

    def __init__(self, folder: Path, postgres: Databases) -> None:
        self._folder, self._postgres = folder, postgres
        self._databases: list[str] = []

    def new(self, engine: str) -> str:
        if engine == "sqlite":
            return f"sqlite:///{self._folder / uuid4().hex}.db"
        self._databases.append(f"msgstate_copy_{uuid4().hex}")
        return self._postgres.create_database(self._databases[-1])

    def execute(self, url: str, sql: str) -> list[tuple[object, ...]]:
        """Run a statement past msgstate."""
        if url.startswith("sqlite:///"):
            with connected(Path(url.removeprefix("sqlite:///"))) as connection:
                return connection.execute(sql).fetchall()
        database = url.rpartition("/")[2]
        return [tuple(row) for row in self._postgres.query(_qualified(sql), database=database)]

    def close(self) -> None:
        for name in self._databases:
            self._postgres.drop_database(name)


def _qualified(sql: str) -> str:
    """A statement that finds msgstate's tables without a search path."""
    for table in ("recipient_status", "event", "alias", "payload", "quarantine", "head", "copying"):
        for before in ("FROM", "INTO", "UPDATE", "TABLE"):
            sql = sql.replace(f"{before} {table}", f"{before} msgstate.{table}")
    return sql


@pytest.fixture
def urls(tmp_path: Path, postgres: Databases) -> Iterator[Urls]:
    made = Urls(tmp_path, postgres)
    yield made
    made.close()


class Outcome(NamedTuple):
    """What a copy gave."""

    copied: Copied
    findings: list[Finding]
    told: list[tuple[str, int, int]]


async def copied(
    source: str, dest: str, batch: int = BATCH_ROWS, tell: Callable[[str, int, int], None] | None = None
) -> Outcome:
    """Copy to the end."""
    outcome = Outcome(Copied(), [], [])

    def told(*progress: object) -> None:
        outcome.told.append(progress)  # type: ignore[arg-type]
        if tell is not None:
            tell(*progress)  # type: ignore[arg-type]

    outcome.findings.extend(
        [each async for each in copy(copyable(source), copyable(dest), outcome.copied, told, batch)]
    )
    return outcome


async def agrees(url: str) -> bool:
    """Whether `check` finds nothing."""
    async with auditor(url).audit() as audit:
        return [finding async for finding in check(audit, Summary())] == []
