import json
import platform
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import msgstate
from msgstate_server.cli import main
from msgstate_server.domain.diagram import mermaid
from tests.acceptance.in_process import run
from tests.acceptance.server_process import environment

COMMANDS = main.list_commands(click.Context(main))
WIDTH = max(map(len, COMMANDS)) + 2
HEAVY = {"grpc", "google", "pysqlite3", "sqlite_utils", "starlette", "uvicorn", "rich", "structlog", "msgspec"}


def command(name: str) -> click.Command:
    found = main.get_command(click.Context(main), name)
    assert found is not None
    return found


def test_help_imports_none_of_the_heavy_libraries() -> None:
    """`msgstate --help` lists every command without importing gRPC, a database or the web framework."""
    program = (
        "import sys; from msgstate_server.cli import main\n"
        "main(['--help'], standalone_mode=False)\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment()
    )

    *listed, modules = result.stdout.splitlines()
    assert HEAVY & set(json.loads(modules.replace("'", '"'))) == set()
    assert all(any(line.split()[:1] == [name] for line in listed) for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_listed_with_its_own_first_sentence(name: str) -> None:
    """The line in the list of commands is the first one of the command's own help."""
    listed = main.get_help(click.Context(main, terminal_width=200))

    assert f"{name:<{WIDTH}}{(command(name).help or '').splitlines()[0]}" in listed


@pytest.mark.parametrize("name", COMMANDS)
def test_each_help_has_examples_of_the_command(name: str) -> None:
    """Every command's help ends with lines to paste, which call that command."""
    epilog = command(name).epilog or ""

    assert "Examples:" in epilog
    assert f"msgstate {name}" in epilog


def test_an_unknown_command_is_a_usage_error() -> None:
    """A command that does not exist exits with 2 and says which one it was."""
    result = run("frobnicate")

    assert (result.returncode, result.stdout) == (2, "")
    assert "frobnicate" in result.stderr


def test_diagram_prints_the_machine() -> None:
    """`diagram` prints the picture that is drawn from the machine, and nothing else."""
    assert run("diagram").stdout == mermaid()


def test_version_names_what_runs() -> None:
    """`version` gives the versions of msgstate, Python, gRPC, protobuf and the SQLite library, as JSON too."""
    plain, as_json = run("version"), run("version", "--json")

    versions = json.loads(as_json.stdout)
    assert list(versions) == ["msgstate", "python", "grpc", "protobuf", "sqlite"]
    assert versions["python"] == platform.python_version()
    assert [line.split() for line in plain.stdout.splitlines()] == [list(pair) for pair in versions.items()]


@pytest.mark.parametrize(
    "arguments",
    [("status", "m1"), ("watch",), ("watch", "--from", "earliest", "--max", "1"), ("publish", "-")],
    ids=" ".join,
)
def test_a_server_that_is_away_is_one_line_and_3(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """Every command that calls a server says in one line that none answers, and exits with 3."""
    event = '{"provider": "own", "messageId": "m1", "recipient": "a@b.example", "type": "EVENT_TYPE_SENT"}\n'

    result = run(*arguments, "--server", "127.0.0.1:1", stdin=event, folder=tmp_path)

    assert result.returncode == 3
    assert result.stderr == (
        "msgstate: UNAVAILABLE: no server answers at 127.0.0.1:1; start one with `msgstate serve`, "
        "or name it with --server\n"
    )


@pytest.mark.parametrize("address", ["nowhere", "127.0.0.1:", "127.0.0.1:70000", ":50051", "127.0.0.1:1,nowhere"])
def test_a_server_address_that_is_none_is_a_usage_error(address: str) -> None:
    """An address that is not HOST:PORT, and a list with one, is refused before anything is called."""
    result = run("status", "m1", "--server", address)

    assert result.returncode == 2
    assert "write HOST:PORT" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--version",), 0, f"msgstate {msgstate.__version__}"),
        (("help",), 0, "Usage: msgstate [OPTIONS] COMMAND"),
        (("help", "status"), 0, "Usage: msgstate status"),
        (("help", "quarantine", "replay"), 0, "Usage: msgstate quarantine replay"),
        (("statsu",), 2, "No such command 'statsu'. Did you mean 'status'?"),
        (("help", "wach"), 2, "No such command 'wach'. Did you mean 'watch'?"),
        (("frobnicate",), 2, "No such command 'frobnicate'. See `msgstate --help`."),
        (("quarantine", "lst"), 2, "No such command 'lst'. Did you mean 'list'?"),
    ],
    ids=str,
)
def test_help_is_where_people_look_for_it(arguments: tuple[str, ...], code: int, said: str) -> None:
    """`--version`, `help` and a misspelled command answer as in other tools."""
    result = CliRunner().invoke(main, arguments, prog_name="msgstate")
    assert (result.exit_code, said in result.output) == (code, True), result.output
