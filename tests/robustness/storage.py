"""Disks that fail a real server: full, limited, not to be written, not to be synced; and how each is mended."""

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.acceptance.server_process import RUN_SECONDS, ServerProcess, environment, write_config

if TYPE_CHECKING:
    import sqlite3 as sqlite
else:
    import pysqlite3.dbapi2 as sqlite

_ROOT: Final = Path(__file__).parents[2]
_UNSHARE_MOUNTS: Final = ("unshare", "--mount")
"""Begins a command whose mounts end with it."""


def may_mount(request: pytest.FixtureRequest) -> bool:
    """Whether this process may mount; where it may not, the test is run, and proved, in a namespace where it may.

    Skips where there is none either, as in most containers.
    """
    mount = ["mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    if os.geteuid() == 0 and _can(*_UNSHARE_MOUNTS, *mount):
        return True
    own = [*_UNSHARE_MOUNTS, "--user", "--map-root-user"]
    if not _can(*own, *mount):
        pytest.skip("neither this user nor `unshare` can mount here: run it where one can")
    command = [*own, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(request.node.nodeid)]
    ran = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False, timeout=4 * RUN_SECONDS)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return False


def _can(*command: str) -> bool:
    return (
        shutil.which(command[0]) is not None
        and not subprocess.run(command, capture_output=True, check=False).returncode
    )


@contextmanager
def mounted(folder: Path, size: str) -> Iterator[Path]:
    """A file system of this size in memory."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        # Lazily: what still runs on it must not keep it.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def remount(folder: Path, mode: str) -> None:
    """Make a mount `ro` or `rw`."""
    subprocess.run(["mount", "-o", f"remount,{mode}", str(folder)], check=True)


def limit_files(pid: int, size: int) -> None:
    """Let a process write no file beyond so many bytes."""
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))


def server_on(store: Path, folder: Path) -> ServerProcess:
    """A server on this store, not started; its own files are in `folder`."""
    return ServerProcess(store, write_config(folder / "server.toml", store))


def refusal(server: ServerProcess) -> str:
    """What `serve` says as it refuses to start."""
    command = [sys.executable, "-m", "msgstate_server", "serve", "--config", str(server.config)]
    ran = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False, timeout=RUN_SECONDS)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    return ran.stderr


def change(store: Path, *statements: str) -> None:
    """Change a file past everything that msgstate watches over."""
    connection = sqlite.connect(store, isolation_level=None)
    try:
        connection.execute("PRAGMA foreign_keys = OFF")
        for statement in statements:
            connection.execute(statement)
    finally:
        connection.close()
