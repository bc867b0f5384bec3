import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from msgstate_server.cli import main
from msgstate_server.cli.options import STATES, TYPES
from tests.acceptance.in_process import run
from tests.acceptance.server_process import environment
from tests.acceptance.test_cli import COMMANDS

# What a shell does when the tab key is pressed, then one line for each that it would offer.
ASK = """
set -e
source <(msgstate completion bash)
COMP_WORDS=(msgstate "$@")
COMP_CWORD=$#
_msgstate_completion msgstate
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    """An environment in which a shell finds `msgstate`."""
    # Called by its name, as the script that is installed calls it.
    (tmp_path / "msgstate").write_text(
        f"#!{sys.executable}\nfrom msgstate_server.__main__ import main\nimport sys\nsys.argv[0] = 'msgstate'\nmain()\n"
    )
    (tmp_path / "msgstate").chmod(0o755)
    return environment(PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.parametrize(
    ("words", "expected"),
    [((), COMMANDS), (("quarantine", "re"), ["replay"]), (("list", "--state", "FA"), ["FAILED"])],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_bash_offers(words: tuple[str, ...], expected: list[str], variables: dict[str, str]) -> None:
    """A bash that sourced the script offers what the program answers."""
    asked = subprocess.run(
        ["bash", "--norc", "-c", ASK, "bash", *(words or ("",))],
        capture_output=True,
        text=True,
        check=True,
        env=variables,
        timeout=30,
    )

    assert asked.stderr == ""
    assert asked.stdout.splitlines() == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("qu",), ["quarantine"]),
        (("quarantine", ""), ["list", "show", "replay", "discard"]),
        (("list", "--state", ""), list(STATES)),
        (("list", "--upd"), ["--updated-after", "--updated-before"]),
        (("watch", "--type", "UN"), [name for name in TYPES if name.startswith("UN")]),
        (("watch", "--to-state", "EN"), ["ENGAGED"]),
        (("status", "m1", "--provider", ""), ["cloudmailin", "emailit"]),
        (("publish", "--provider", "em"), ["emailit"]),
        (("completion", ""), ["bash", "zsh", "fish"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_is_offered(words: tuple[str, ...], expected: list[str]) -> None:
    """Commands, options, states, event types and providers are offered."""
    *before, typed = words
    offered = ShellComplete(main, {}, "msgstate", "_MSGSTATE_COMPLETE").get_completions(before, typed)

    assert [item.value for item in offered] == expected


@pytest.mark.parametrize(
    ("shell", "said"),
    [("bash", "complete -o nosort -F _msgstate_completion msgstate"), ("zsh", "#compdef msgstate"),
     ("fish", "complete --no-files --command msgstate")],
)  # fmt: skip
def test_every_shell_has_its_script(shell: str, said: str) -> None:
    """The script of each shell is printed and nothing else, wherever it is called."""
    result = run("completion", shell, PATH=str(Path(sys.executable).parent))

    assert (result.returncode, result.stderr) == (0, "")
    assert said in result.stdout


def test_a_shell_that_is_not_known_is_wrong_usage() -> None:
    """Any other shell is refused with those that there are."""
    result = run("completion", "csh")

    assert result.returncode == 2
    assert "'bash', 'zsh', 'fish'" in result.stderr


def test_offering_commands_imports_none(variables: dict[str, str]) -> None:
    """What the tab key asks for is answered without importing gRPC, since people wait for it."""
    program = (
        "import sys, click\nfrom msgstate_server.cli import main\n"
        "main.shell_complete(click.Context(main), '')\nprint('grpc' in sys.modules, 'google' in sys.modules)"
    )
    asked = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=variables)

    assert asked.stdout == "False False\n"
