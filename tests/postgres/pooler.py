import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final, Literal, Self

from tests.acceptance.server_process import wait_until
from tests.ports import free_port
from tests.postgres.account import server_account
from tests.postgres.guard import Guard
from tests.postgres.server import HOST, START_SECONDS, STOP_SECONDS, PostgresServer

# Where Debian has it, which is not on everybody's PATH.
PROGRAM: Final = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
MISSING: Final = "there is no pgbouncer: install the package of that name"
Mode = Literal["session", "transaction"]


class Pooler:
    """A pgbouncer in front of a server; use it in a `with` block."""

    def __init__(self, server: PostgresServer, mode: Mode, *, ignored: str = "") -> None:
        self._server = server
        self._mode = mode
        self._ignored = ignored
        self._port = free_port()

    def dsn(self, database: str) -> str:
        """Where to connect to a database through it."""
        return f"postgresql://postgres@{HOST}:{self._port}/{database}"

    def __enter__(self) -> Self:
        assert PROGRAM, MISSING
        self._folder = Path(tempfile.mkdtemp(prefix="msgstate-pooler-"))
        self._guard = Guard([self._folder])
        try:
            account = server_account()
            account.take(self._folder)
            with (self._folder / "log").open("wb") as output:
                self._process = account.start([PROGRAM, str(self._configured())], self._folder, output)
            self._guard.watch(self._process.pid)
            wait_until(lambda: self._is_up() or self._process.poll() is not None, START_SECONDS, "the pooler is up")
            assert self._is_up(), self._log()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        process: subprocess.Popen[bytes] | None = getattr(self, "_process", None)
        if process is not None:
            process.kill()
            process.wait(STOP_SECONDS)
        self._guard.watch(None)
        self._guard.end()

    def _configured(self) -> Path:
        (self._folder / "users").write_text('"postgres" ""\n')
        settings = {
            "listen_addr": HOST,
            "listen_port": self._port,
            "unix_socket_dir": "",
            "auth_type": "trust",
            "auth_file": self._folder / "users",
            "pool_mode": self._mode,
            "ignore_startup_parameters": self._ignored,
        }
        lines = [f"{name} = {value}\n" for name, value in settings.items() if value != ""]
        file = self._folder / "pgbouncer.ini"
        databases = f"[databases]\n* = host={HOST} port={self._server.port}\n"
        file.write_text("".join([databases, "[pgbouncer]\nunix_socket_dir =\n", *lines]))
        return file

    def _is_up(self) -> bool:
        return "process up" in self._log()

    def _log(self) -> str:
        return (self._folder / "log").read_text(errors="replace")
