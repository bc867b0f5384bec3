"""The page of operations, followed as root from the installation to a restored backup, with a real second user."""

import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks
from tests.docs.service_user import ServiceUser
from tests.docs.session import Session
from tests.postgres.account import server_account

PAGE = blocks(ROOT / "docs" / "operations.md")
AFTER_RESTORE = next(index for index, block in enumerate(PAGE) if block.named("file") == "shared.toml")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can install for another user"),
]


def python_for_everybody(folder: Path) -> Path:
    """A Python that the other user may execute, which the one that runs the tests need not be."""
    names = ("python3", "python3.11", "python3.12", "python3.13", "python3.14")
    folders = [Path(each) for each in (*os.get_exec_path(), "/usr/local/bin", "/usr/bin")]
    wanted = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))"
    for path in dict.fromkeys(each / name for each in folders for name in names):
        if path.exists() and server_account().can_run([str(path), "-c", wanted], folder):
            return path
    raise AssertionError(f"no Python 3.11 or newer that everybody may execute is in {folders}")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody may enter, unlike those that pytest makes."""
    folder = Path(tempfile.mkdtemp(prefix="msgstate-operations-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def session(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    monkeypatch.setenv("PIP_CONSTRAINT", str(ROOT / "constraints.txt"))
    session = Session(folder, service_user=ServiceUser(python_for_everybody(folder)))
    yield session
    session.close()


def access(path: Path) -> tuple[int, int]:
    """Whose file it is, and what its mode lets others do."""
    found = path.stat()
    return found.st_uid, stat.S_IMODE(found.st_mode)


def test_the_page_works_as_root_with_a_service_user(session: Session, folder: Path) -> None:
    """Every command works, the service runs as its own user, and nobody else can read the settings, store or backup."""
    for block in PAGE[:AFTER_RESTORE]:
        session.do(block)

    user = server_account().user
    assert user
    assert session.server_user() == user
    assert access(folder / "state" / "msgstate.db") == (user, 0o600)
    assert access(folder / "state" / "backup.db") == (user, 0o600)
    assert access(folder / "state") == (user, 0o700)
    assert access(folder / "etc" / "msgstate.toml") == (0, 0o640)
    for place in ("state/msgstate.db", "state/away/msgstate.db", "etc/msgstate.toml"):
        assert not stranger_reads(folder / place), place
    assert session.stop_server() == 0


def stranger_reads(path: Path) -> bool:
    """Whether a user who is neither root nor the service's own can read the file."""
    command = ["setpriv", "--reuid=1", "--regid=1", "--clear-groups", "cat", str(path)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
