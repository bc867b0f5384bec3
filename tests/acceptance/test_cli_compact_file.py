"""`msgstate compact-file`: free space of a SQLite file goes back to the file system, while nothing runs on it."""

import random
from contextlib import closing
from pathlib import Path

import pytest
from pysqlite3 import dbapi2

from msgstate_server.store.sqlite import SqliteStore
from tests.acceptance.conftest import StartServer
from tests.acceptance.in_process import run
from tests.acceptance.test_cli_doctor import examine, of
from tests.builders import NOW, Clock, event, payload, submission
from tests.unit.store.test_sqlite_file_space import discard, older_file

_MIB = 1_048_576


@pytest.fixture
async def older(tmp_path: Path) -> Path:
    """A file made before 0.3.0: it holds 72 events, and 72 MiB of it are free since the bodies were deleted."""
    path = tmp_path / "older.db"
    older_file(path)
    store = await SqliteStore.open(path, Clock())
    body = random.Random(1).randbytes(_MIB)  # noqa: S311
    await store.append(
        [
            submission(event(message_id="m1", event_id=str(number)), payload=payload(body, received=NOW))
            for number in range(72)
        ]
    )
    await discard(store)
    await store.close()
    return path


def test_a_file_is_compacted(older: Path) -> None:
    """The doctor says what could be freed and how; the command frees it, and says the size before and after."""
    url = f"sqlite:///{older}"
    plain = run("doctor", "--store", url).stdout
    assert f"to give them back, stop the server and run: msgstate compact-file --store {url}" in " ".join(plain.split())
    before = older.stat().st_size

    result = run("compact-file", "--store", url)

    now = older.stat().st_size
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == f"compacted: {before / _MIB:,.1f} MiB before, {now / _MIB:,.1f} MiB now\n"
    assert now < _MIB
    assert before > 72 * _MIB
    ((level, found),) = of(examine("--store", url, folder=older.parent)[1], "file")
    assert (level, found) == ("ok", "0 MiB, of which 0 MiB are free for new events")
    assert run("check", "--store", url).returncode == 0


def test_a_file_that_is_served_is_refused(server_process: StartServer) -> None:
    """While a server runs on the file the command names its process and changes nothing."""
    server = server_process()

    result = run("compact-file", "--store", f"sqlite:///{server.store}")

    assert (result.returncode, result.stdout) == (1, "")
    assert f"process {server.pid}" in result.stderr


def test_a_database_server_is_refused() -> None:
    """PostgreSQL has its own way, which the error names."""
    result = run("compact-file", "--store", "postgresql://localhost/msgstate")

    assert (result.returncode, result.stdout) == (2, "")
    assert "store: must be a SQLite file" in result.stderr
    assert "VACUUM FULL" in result.stderr


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """A wrong path is an error, and leaves nothing behind."""
    result = run("compact-file", "--store", f"sqlite:///{tmp_path}/none.db")

    assert result.returncode == 1
    assert "does not exist" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    """Nothing but a msgstate store is rewritten."""
    other = tmp_path / "other.db"
    with closing(dbapi2.connect(str(other))) as made:
        made.execute("CREATE TABLE t (a)")
    before = other.read_bytes()

    result = run("compact-file", "--store", f"sqlite:///{other}")

    assert result.returncode == 1
    assert other.read_bytes() == before
