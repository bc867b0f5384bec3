"""What no machine on which tests run can be made to show."""

import errno
import fcntl
import os
import shutil
from collections import namedtuple
from contextlib import closing
from pathlib import Path

import pytest
from pysqlite3 import dbapi2

from msgstate_server.cli.doctor import machine, storage
from msgstate_server.cli.doctor.finding import Finding, Level
from msgstate_server.cli.doctor.ports import ports
from msgstate_server.domain.errors import StoreUnusable
from msgstate_server.settings import Settings
from msgstate_server.store.opening import upkeep

MIB = 1_048_576
Usage = namedtuple("Usage", ["total", "used", "free"])  # noqa: PYI024  (as shutil has it)


def of(findings: list[Finding], subject: str) -> list[Level]:
    return [finding.level for finding in findings if finding.subject == subject]


@pytest.mark.parametrize(
    ("free", "expected"), [(10_000 * MIB, Level.OK), (500 * MIB, Level.WARNING), (10 * MIB, Level.FAILED)]
)
def test_room_on_the_disk(free: int, expected: Level, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Little room is a warning, next to none a failure."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(free, 0, free))

    assert of(list(storage.storage(f"sqlite:///{tmp_path}/msgstate.db", 0)), "disk") == [expected]


def test_a_folder_that_may_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder in which this user may not write is a failure."""
    monkeypatch.setattr(os, "access", lambda *_: False)

    assert of(list(storage.storage(f"sqlite:///{tmp_path}/msgstate.db", 0)), "disk") == [Level.FAILED]


@pytest.mark.parametrize(("kind", "expected"), [("nfs4", [Level.WARNING, Level.OK]), ("ext4", [Level.OK])])
def test_a_disk_that_is_not_local(
    kind: str, expected: list[Level], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store on a network's file system is a warning, found by the innermost mount."""
    mounts = tmp_path / "mounts"
    mounts.write_text(f"none / overlay rw 0 0\nserver:/x {tmp_path} {kind} rw 0 0\nnone {tmp_path}x nfs rw 0 0\n")
    monkeypatch.setattr(storage, "_MOUNTS", mounts)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10_000 * MIB, 0, 10_000 * MIB))

    assert of(list(storage.storage(f"sqlite:///{tmp_path}/msgstate.db", 0)), "disk") == expected


@pytest.mark.parametrize(("answer", "expected"), [(0, Level.OK), (5, Level.WARNING), (-1, Level.OK)])
def test_a_clock_that_nothing_keeps_right(answer: int, expected: Level, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock of which the kernel says that it is not synchronized is a warning; silence is none."""
    monkeypatch.setattr(machine, "_kernel_answer", lambda: answer)

    assert of(list(machine.machine()), "clock") == [expected]


def test_a_library_that_is_missing_or_of_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """Libraries that are missing, and a gRPC family of several versions, fail."""
    monkeypatch.setattr(machine, "_version", lambda name: "" if name == "uvicorn" else "1.0")
    missing = list(machine.machine())
    monkeypatch.setattr(machine, "_version", lambda name: "2.0" if name == "grpcio-status" else "1.0")
    mixed = list(machine.machine())

    assert of(missing, "libraries") == of(mixed, "libraries") == [Level.FAILED]


def test_a_grpc_family_of_one_minor_version_is_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Health and reflection are released less often than grpcio: another patch release starts as well."""
    monkeypatch.setattr(machine, "_version", lambda name: "1.85.3" if name == "grpcio" else "1.85.1")

    assert of(list(machine.machine()), "libraries") == [Level.OK]


def test_a_grpc_port_that_others_reach_is_a_warning() -> None:
    """A gRPC port beyond loopback is warned of, since it has no credentials; one for this machine alone is not."""
    exposed, local = (list(ports(Settings(grpc=f"{host}:0", http="127.0.0.1:0"))) for host in ("[::]", "127.0.0.1"))

    assert of(exposed, "exposure") == [Level.WARNING]
    assert of(local, "exposure") == []


def test_an_unsafe_sqlite_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A SQLite that can lose committed data is a failure with the mend."""

    def refuse() -> None:
        raise StoreUnusable("SQLite 3.40.1 can lose data. Install the newest pysqlite3")

    monkeypatch.setattr(machine, "require_safe_library", refuse)

    assert [finding for finding in machine.machine() if finding.subject == "sqlite"] == [
        Finding(Level.FAILED, "sqlite", "SQLite 3.40.1 can lose data", "Install the newest pysqlite3")
    ]


def test_a_lock_that_cannot_be_asked_for_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without locks is a failure of the store, in words."""
    url = f"sqlite:///{tmp_path}/msgstate.db"
    upkeep(url).migrate()

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    (found,) = storage.storage(url, 0)

    assert (found.level, "cannot tell whether a server runs on" in found.found) == (Level.FAILED, True)


@pytest.mark.parametrize("damage", ["DELETE FROM head", "DROP TABLE head"])
def test_a_damaged_store_is_a_finding(damage: str, tmp_path: Path) -> None:
    """A file that lost its head is a failure of the store, in the words of `check`."""
    url = f"sqlite:///{tmp_path}/msgstate.db"
    upkeep(url).migrate()
    with closing(dbapi2.connect(f"{tmp_path}/msgstate.db", isolation_level=None)) as connection:
        connection.execute(damage)

    (found,) = storage.storage(url, 0)

    assert (found.level, found.found.endswith("): restore a backup")) == (Level.FAILED, True)
