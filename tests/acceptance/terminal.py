import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from typing import NamedTuple

from tests.acceptance.server_process import RUN_SECONDS, environment

_READ = 65_536
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class Shown(NamedTuple):
    """What a terminal showed of a command that has ended."""

    code: int
    text: str

    def plain(self) -> str:
        """The text without colours."""
        return _COLOURS.sub("", self.text)


def run_in_terminal(*arguments: str, columns: int = 80, typed: str = "", **variables: str) -> Shown:
    """Run `msgstate` to its end in a terminal of this width; a variable that is empty is not set."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    given = environment(TERM="xterm-256color", **variables)
    unset = {"COLUMNS", "LINES", *(name for name, value in variables.items() if not value)}
    process = subprocess.Popen(
        [sys.executable, "-m", "msgstate_server", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={name: value for name, value in given.items() if name not in unset},
    )
    os.close(theirs)
    try:
        os.write(ours, typed.encode())
        text = _read_to_the_end(ours)
        return Shown(process.wait(RUN_SECONDS), text)
    finally:
        os.close(ours)
        process.kill()
        process.wait()


def _read_to_the_end(descriptor: int) -> str:
    """All that comes until the other end is closed."""
    os.set_blocking(descriptor, False)
    deadline = time.monotonic() + RUN_SECONDS
    found = b""
    while time.monotonic() < deadline:
        try:
            found += os.read(descriptor, _READ)
        except BlockingIOError:
            time.sleep(0.01)
        except OSError:
            return found.decode().replace("\r\n", "\n")
    raise AssertionError(f"still open after {RUN_SECONDS:.0f} s: {found.decode()}")


def widest(text: str) -> int:
    """Columns that the widest line takes."""
    return max(len(line) for line in text.splitlines())
