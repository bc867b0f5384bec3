"""The commands that look at a store themselves, on a PostgreSQL."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from msgstate_server.store.postgres.migrations import MIGRATIONS, Migration
from tests.acceptance.conftest import StartServer
from tests.acceptance.in_process import run
from tests.acceptance.server_process import ServerProcess, wait_until
from tests.acceptance.test_cli_doctor import FREE, Found, examine, of
from tests.ports import free_port
from tests.postgres.databases import Databases
from tests.postgres.fixture import StartPostgres
from tests.postgres.server import HOST, PostgresServer
from tests.postgres.standby import standby_of
from tests.rpc.running import DEADLINE

SECRET: Final = "Tr0ub4dor"  # noqa: S105
WARNING: Final = "msgstate: warning: whoever lists the processes of this machine sees the password in --store: "
EVENT: Final = '{"provider": "own", "messageId": "m1", "recipient": "a@b.example", "type": "EVENT_TYPE_SENT"}'
SAFE: Final = {"fsync": "on", "full_page_writes": "on"}


@pytest.fixture(scope="module")
def safe() -> Iterator[PostgresServer]:
    """A server as it is set by default, unlike those of other tests."""
    with PostgresServer(fsync="on", full_page_writes="on") as server:
        yield server


def with_password(dsn: str) -> str:
    """A password that the server does not ask for."""
    return dsn.replace("postgres@", f"postgres:{SECRET}@")


def examined(dsn: str, folder: Path, *arguments: str) -> tuple[int, list[Found]]:
    return examine(*arguments, folder=folder, MSGSTATE_STORE=dsn)


def test_the_doctor_looks_at_a_database(safe: PostgresServer, tmp_path: Path) -> None:
    """Of a database it says whether it holds anything of msgstate, and the server's version; nothing is made."""
    dsn = safe.create_database("looked_at")
    shown = dsn.replace("postgres@", "postgres:***@")
    version = ".".join(map(str, safe.version))

    before = examined(with_password(dsn), tmp_path)
    assert safe.query("SELECT FROM pg_namespace WHERE nspname = 'msgstate'", database="looked_at") == []
    run("migrate", MSGSTATE_STORE=dsn)
    code, findings = examined(with_password(dsn), tmp_path)

    assert (before[0], code) == (0, 0)
    assert of(before[1], "store") == [("ok", f"{shown} has nothing of msgstate yet; `msgstate serve` makes it")]
    assert of(findings, "store") == [("ok", f"{shown}, its schema up to date")]
    assert of(findings, "database") == [("ok", f"PostgreSQL {version}")]
    assert of(findings, "disk") == []
    assert SECRET not in json.dumps([before, findings])


def test_the_doctor_beside_servers(server_process: StartServer, postgres_dsn: str, tmp_path: Path) -> None:
    """It looks at a database that servers use."""
    server = server_process(postgres_dsn)
    code, findings = examined(postgres_dsn, tmp_path, "--grpc", server.grpc, "--http", server.http)
    assert code == 0
    assert of(findings, "store") == [("ok", f"{postgres_dsn}, its schema up to date")]
    assert of(findings, "grpc port") == [("ok", f"a msgstate answers at {server.grpc}")]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (SAFE, []),
        (SAFE | {"fsync": "off"}, ["fsync is off"]),
        (SAFE | {"full_page_writes": "off"}, ["full_page_writes is off"]),
        (SAFE | {"synchronous_commit": "off"}, ["synchronous_commit is off by default"]),
        (SAFE | {"synchronous_commit": "local"}, ["synchronous_commit is local by default"]),
        (SAFE | {"synchronous_commit": "remote_write"}, ["synchronous_commit is remote_write by default"]),
        (SAFE | {"synchronous_commit": "remote_apply"}, []),
    ],
)
def test_settings_that_can_lose_commits_are_told(
    settings: dict[str, str], expected: list[str], safe: PostgresServer, tmp_path: Path
) -> None:
    """Settings of the server that a crash makes one regret are warnings, each with its mend."""
    safe.configure(**{"synchronous_commit": "on"} | settings)

    code, findings = examined(safe.dsn(), tmp_path)

    warnings = [finding for finding in findings if finding.subject == "database" and finding.level == "warning"]
    assert code == 0
    assert [finding.found for finding in warnings] == expected
    assert all(finding.mend for finding in warnings)


def test_a_migration_that_waits_is_no_fault(postgres_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for servers of the version before is told as such; what `serve` applies is a warning."""
    later = [Migration("9001_pre_x", "SELECT 1;"), Migration("9002_post_x", "SELECT 1;")]
    run("migrate", MSGSTATE_STORE=postgres_dsn)
    monkeypatch.setattr("msgstate_server.store.postgres.upkeep.MIGRATIONS", [*MIGRATIONS, *later])
    ((both, lacks),) = of(examined(postgres_dsn, tmp_path)[1], "store")
    run("migrate", MSGSTATE_STORE=postgres_dsn)
    ((one, waits),) = of(examined(postgres_dsn, tmp_path)[1], "store")

    assert (both, lacks) == ("warning", f"{postgres_dsn} lacks 9001_pre_x, 9002_post_x")
    assert one == "ok"
    assert waits.endswith("9002_post_x waits for `msgstate migrate --post`")


def test_a_database_that_cannot_be_used_fails(postgres: Databases, tmp_path: Path) -> None:
    """What `serve` could not open is a failure, in one line without the password."""
    said = {
        postgres.dsn("nowhere"): "does not exist: make it with `createdb`",
        postgres.dsn().replace("postgres@", "nobody@"): "PostgreSQL refuses the user",
        f"postgresql://postgres@{HOST}:{free_port()}/x": "cannot reach PostgreSQL",
        "postgresql://postgres@[x/y": "must be postgresql://USER:PASSWORD@HOST:PORT/DATABASE",
    }
    for dsn, text in said.items():
        code, findings = examined(with_password(dsn), tmp_path)
        ((level, found),) = of(findings, "store")
        assert (code, level) == (1, "failed")
        assert text in found
        for command in ("check", "migrate"):
            result = run(command, MSGSTATE_STORE=with_password(dsn))
            assert (result.returncode, len(result.stderr.splitlines())) == (1, 1)
            assert text in result.stderr
            assert SECRET not in result.stderr + found


def test_a_standby_alone_fails(start_postgres: StartPostgres, tmp_path: Path) -> None:
    """A database that takes no writes is a failure, with the mend."""
    with standby_of(start_postgres()) as standby:
        code, findings = examined(standby.dsn(), tmp_path)
    assert code == 1
    assert of(findings, "store") == [
        ("failed", "store: none of the hosts takes writes: name the primary, or promote a standby")
    ]


@pytest.mark.parametrize("command", ["check", "migrate", "doctor"])
def test_a_password_in_a_flag_is_told(command: str, postgres_dsn: str, tmp_path: Path) -> None:
    """A password on the command line is warned of, and works; in a variable it is not, nor is a URL without one."""
    run("migrate", MSGSTATE_STORE=postgres_dsn)
    url = with_password(postgres_dsn)
    warned = run(command, "--store", url, folder=tmp_path, **FREE)
    silent = [
        run(command, folder=tmp_path, MSGSTATE_STORE=url, **FREE),
        run(command, "--store", postgres_dsn, folder=tmp_path, **FREE),
    ]

    assert warned.stderr.startswith(WARNING)
    assert len(warned.stderr.splitlines()) == 1
    assert [result.stderr for result in silent] == ["", ""]
    assert {result.returncode for result in (warned, *silent)} == {0}
    assert SECRET not in warned.stdout + warned.stderr


def test_a_server_tells_nobody_its_password(tmp_path: Path, start_postgres: StartPostgres) -> None:
    """A server warns of a password in a flag, and neither its ready line nor what it logs later has it."""
    database = start_postgres()
    config = tmp_path / "server.toml"
    config.write_text("")
    url = with_password(database.create_database("own"))
    server = ServerProcess(url, config, ["--store", url], tmp_path, FREE)
    try:
        server.start()
        database.kill()
        refused = run("publish", "-", stdin=EVENT, MSGSTATE_SERVER=server.grpc)
        wait_until(lambda: "the database cannot be read" in server.log(), DEADLINE, "the outage is logged")
        assert server.terminate() == 0
    finally:
        server.kill()
    assert server.log().startswith(WARNING)
    assert "postgres:***@" in server.output()
    assert SECRET not in server.log() + server.output() + refused.stdout + refused.stderr
    assert "the database cannot be written" in server.log()
