"""Who a PostgreSQL server runs as: it refuses to be root, which the tests may well be."""

import os
import pwd
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from tests.postgres.binaries import NoPostgres

OTHER_USER: Final = "nobody"
RUN_SECONDS: Final = 60.0
# Python's own way to start a program as another user is a plain fork, whose handlers crash the child where gRPC's
# threads are at work; without one it is none.
AS_USER: Final = """
import os, sys
user, group, *command = sys.argv[1:]
os.setgroups([])
os.setgid(int(group))
os.setuid(int(user))
os.execv(command[0], command)
"""


@dataclass(frozen=True)
class Account:
    """A user and group to run programs as; without them, as who the tests run as."""

    user: int | None = None
    group: int | None = None

    def start(self, command: Sequence[str], folder: Path, output: IO[bytes] | int) -> subprocess.Popen[bytes]:
        """Start a program in the folder, in a session of its own: Ctrl-C is for the tests only."""
        return subprocess.Popen(
            [*self.prefix(), *command],
            cwd=folder,
            # Neither the language nor the PG variables of whoever runs the tests.
            env={"PATH": os.environ["PATH"], "LC_ALL": "C", "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def prefix(self) -> list[str]:
        """What becomes the other user, and then the program."""
        return [] if self.user is None else [sys.executable, "-ISc", AS_USER, str(self.user), str(self.group)]

    def can_run(self, command: Sequence[str], folder: Path) -> bool:
        """Whether the program, and every library that it needs, is within reach."""
        try:
            with self.start(command, folder, subprocess.DEVNULL) as process:
                return process.wait(RUN_SECONDS) == 0
        except PermissionError:
            return False

    def take(self, folder: Path) -> None:
        """Become the folder's owner; raises `NoPostgres` where a folder above it is closed to the user."""
        if self.user is None or self.group is None:
            return
        for parent in folder.resolve().parents:
            if not parent.stat().st_mode & 0o001:
                raise NoPostgres(f"{OTHER_USER} cannot enter {parent}: set TMPDIR to a folder that everybody can enter")
        os.chown(folder, self.user, self.group)


def server_account() -> Account:
    """The account of the servers that tests start."""
    if os.geteuid() != 0:
        return Account()
    entry = pwd.getpwnam(OTHER_USER)
    return Account(entry.pw_uid, entry.pw_gid)
