"""The systemd unit that the page of operations shows."""

import configparser
import shlex
import shutil
import subprocess
from pathlib import Path


class Unit:
    """A unit: its program is the one of the test, and its folders are below the test's own."""

    def __init__(self, text: str, folder: Path) -> None:
        """Read the unit; a line that is none fails here."""
        parser = configparser.ConfigParser(strict=True, interpolation=None)
        parser.optionxform = str  # type: ignore[assignment,method-assign]  # systemd's names have capitals
        parser.read_string(text)
        assert parser.sections() == ["Unit", "Service", "Install"]
        self.command = shlex.split(parser["Service"]["ExecStart"])
        self._file = folder / "msgstate.service"
        self._file.write_text(text)

    def verify(self) -> None:
        """Let systemd read it, where this machine has it."""
        program = shutil.which("systemd-analyze")
        if program is not None:
            result = subprocess.run(
                [program, "verify", "--man=no", str(self._file)], capture_output=True, text=True, check=False
            )
            # It also speaks of other units of this machine.
            said = [line for line in result.stderr.splitlines() if self._file.name in line]
            assert (result.returncode, said) == (0, [])
