import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_page_of_commands_is_fresh() -> None:
    """docs/cli.md is what the commands themselves say; `python scripts/cli_help.py >docs/cli.md` makes it so."""
    command = [sys.executable, str(ROOT / "scripts" / "cli_help.py")]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert (ROOT / "docs" / "cli.md").read_text() == printed
