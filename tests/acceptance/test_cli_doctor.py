import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest
from pysqlite3 import dbapi2

from tests.acceptance.conftest import StartServer
from tests.acceptance.in_process import run
from tests.acceptance.server_process import write_config
from tests.acceptance.terminal import run_in_terminal, widest

FREE = {"MSGSTATE_GRPC": "127.0.0.1:0", "MSGSTATE_HTTP": "127.0.0.1:0"}


class Found(NamedTuple):
    level: str
    subject: str
    found: str
    mend: str


def examine(*arguments: str, folder: Path, **variables: str) -> tuple[int, list[Found]]:
    """The doctor's exit code, and what it said."""
    result = run("doctor", "--json", *arguments, folder=folder, **(FREE | variables))
    assert result.stderr == ""
    return result.returncode, [Found(**json.loads(line)) for line in result.stdout.splitlines()]


def of(findings: list[Found], subject: str) -> list[tuple[str, str]]:
    return [(finding.level, finding.found) for finding in findings if finding.subject == subject]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A file that only its owner reads, with credentials for both providers."""
    config = write_config(tmp_path / "server.toml", tmp_path / "msgstate.db")
    config.chmod(0o600)
    return config


def test_a_machine_that_is_ready_is_told_so_in_lines(config: Path, tmp_path: Path) -> None:
    """Where nothing stands in the way every line but the clock's says ok, and the exit code is 0."""
    plain = run("doctor", "--config", str(config), folder=tmp_path)
    code, findings = examine("--config", str(config), folder=tmp_path)

    assert (plain.returncode, plain.stderr, code) == (0, "", 0)
    assert [line.split()[0] for line in plain.stdout.splitlines()] == [finding.level for finding in findings]
    assert {finding.subject for finding in findings} == {
        "python", "libraries", "sqlite", "clock", "settings", "webhooks", "store", "disk", "grpc port", "http port",
    }  # fmt: skip
    assert {finding.level for finding in findings if finding.subject not in {"clock", "disk"}} == {"ok"}
    assert of(findings, "webhooks") == [
        ("ok", "cloudmailin has 1 in basic"),
        ("ok", "emailit has 1 in basic, 1 in secrets"),
    ]


@pytest.mark.parametrize("columns", [80, 120])
def test_lines_are_broken_in_a_terminal(columns: int) -> None:
    """In a terminal no line is wider than it, levels are in colours, and nothing is lost."""
    shown = run_in_terminal("doctor", columns=columns, NO_COLOR="", **FREE)

    assert shown.code == 0
    assert widest(shown.plain()) <= columns
    assert "\x1b[33m\x1b[1mwarning" in shown.text
    assert "emailit has no credentials, so its webhooks are answered with 401" in " ".join(shown.plain().split())


def test_nothing_is_made_or_changed(config: Path, tmp_path: Path) -> None:
    """The doctor leaves the folder of a store that is not there yet as it was."""
    examine("--config", str(config), folder=tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["server.toml"]


def test_it_says_which_setting_wins(config: Path, tmp_path: Path) -> None:
    """Of each setting the doctor says where it comes from, and what it wins over, and prints no secret."""
    written = config.read_text().replace("hook:secret", "hook:pass-1234").replace("whsec_test", "whsec_5678")
    config.write_text(written)
    result = run("doctor", "--config", str(config), "--store", "sqlite:///flag.db", MSGSTATE_STORE="sqlite:///x.db",
                 MSGSTATE_HTTP="127.0.0.1:0", folder=tmp_path)  # fmt: skip

    assert "store = sqlite:///flag.db, from --store, which wins over " in result.stdout
    assert f"http = 127.0.0.1:0, from MSGSTATE_HTTP, which wins over {config}\n" in result.stdout
    assert f"grpc = 127.0.0.1:0, from {config}\n" in result.stdout
    assert "pass-1234" not in result.stdout
    assert "5678" not in result.stdout


def test_defaults_are_named_as_such(tmp_path: Path) -> None:
    """A setting that nobody made is the default, and providers without credentials are named."""
    _, findings = examine(folder=tmp_path)

    assert ("ok", "store = sqlite:///msgstate.db, from the default") in of(findings, "settings")
    assert of(findings, "webhooks") == [
        ("warning", f"{name} has no credentials, so its webhooks are answered with 401")
        for name in ("cloudmailin", "emailit")
    ]


def test_a_variable_that_is_misspelt_and_a_file_that_all_may_read_are_told(config: Path, tmp_path: Path) -> None:
    """What does not stop the service, and is not what one may think, is a warning."""
    config.chmod(0o644)
    code, findings = examine("--config", str(config), folder=tmp_path, MSGSTATE_GPRC="127.0.0.1:1")

    warnings = [found for level, found in of(findings, "settings") if level == "warning"]
    assert code == 0
    assert warnings == [
        "MSGSTATE_GPRC is no variable of msgstate",
        f"{config} can be read by every user of this machine",
    ]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('grpc = "nowhere"', "grpc: must be HOST:PORT"),
        ("store = ", "is not TOML"),
        ("a = " + "[" * 5_000, "is nested too deeply"),
        ("a = " + "9" * 5_000, "is not TOML"),
        ('grpc = "a\\u0000:1"', "grpc: must be HOST:PORT"),
        (f'grpc = "{"a" * 300}:1"', "grpc: must be HOST:PORT"),
        (f'grpc = "a:{"9" * 5_000}"', "grpc: must be HOST:PORT"),
        ('[webhooks.pigeon]\nbasic = ["a:b"]', "[webhooks.pigeon] is of no provider that is known"),
    ],
)
def test_settings_that_cannot_be_used_fail(written: str, said: str, tmp_path: Path) -> None:
    """What `serve` would refuse in the file is a failure, and the exit code is 1."""
    (tmp_path / "bad.toml").write_text(written)

    code, findings = examine("--config", "bad.toml", folder=tmp_path, MSGSTATE_GRPC="")

    assert code == 1
    assert [finding.level for finding in findings if said in finding.found] == ["failed"]


def test_a_running_service_is_recognized(server_process: StartServer, tmp_path: Path) -> None:
    """The ports on which a msgstate answers and the store that it serves are in order."""
    server = server_process()

    code, findings = examine(
        "--store", f"sqlite:///{server.store}", "--grpc", server.grpc, "--http", server.http, folder=tmp_path
    )

    assert code == 0
    assert of(findings, "server") == [("ok", f"process {server.pid} serves this store")]
    assert of(findings, "store") == [("ok", f"sqlite:///{server.store}, its schema up to date")]
    assert of(findings, "file") == [("ok", "0 MiB, of which 0 MiB are free for new events")]
    assert of(findings, "grpc port") == [("ok", f"a msgstate answers at {server.grpc}")]
    assert of(findings, "http port") == [("ok", f"a msgstate answers at {server.http}")]


@pytest.fixture
def stranger() -> Iterator[str]:
    """The address of a program that answers nobody."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("name", ["grpc", "http"])
def test_a_port_that_another_program_has_fails(name: str, stranger: str, tmp_path: Path) -> None:
    """A port on which something else listens is a failure, with the flag that chooses another."""
    code, findings = examine(f"--{name}", stranger, folder=tmp_path)

    assert code == 1
    assert of(findings, f"{name} port") == [("failed", f"another program listens on {stranger}")]


def test_an_address_of_another_machine_fails(tmp_path: Path) -> None:
    """An address that this machine has not is a failure."""
    code, findings = examine("--http", "192.0.2.1:80", folder=tmp_path)

    assert code == 1
    ((level, found),) = of(findings, "http port")
    assert (level, "cannot listen on 192.0.2.1:80" in found) == ("failed", True)


@pytest.mark.parametrize(
    ("url", "subject", "said"),
    [
        ("sqlite:///missing/msgstate.db", "disk", "is not there"),
        ("sqlite:///text.db", "store", "is not a SQLite database"),
        ("mysql://x", "store", "must be sqlite:///FILE"),
    ],
)
def test_a_store_that_cannot_be_used_fails(url: str, subject: str, said: str, tmp_path: Path) -> None:
    """A store that `serve` could not open is a failure."""
    (tmp_path / "text.db").write_text("This is no database, however long one looks at it.")

    code, findings = examine("--store", url, folder=tmp_path)

    assert code == 1
    assert [(level, said in found) for level, found in of(findings, subject)] == [("failed", True)]


def test_a_log_that_is_ahead_of_the_clock_is_told(server_process: StartServer, tmp_path: Path) -> None:
    """Where the last commit lies in the future, the clock went back: a warning."""
    server = server_process()
    server.terminate()
    with closing(dbapi2.connect(str(server.store), isolation_level=None)) as connection:
        connection.execute("UPDATE head SET commit_time = ?", ((time.time_ns() // 1000) + 3_600_000_000,))

    _, findings = examine("--store", f"sqlite:///{server.store}", folder=tmp_path)

    assert any("ahead of this machine's clock" in found for level, found in of(findings, "clock") if level == "warning")
