import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal, Self

import psutil

from tests.acceptance.server_process import wait_until
from tests.ports import free_port
from tests.postgres.account import RUN_SECONDS, server_account
from tests.postgres.binaries import Binaries, find_binaries
from tests.postgres.databases import Databases
from tests.postgres.guard import Guard

START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 30.0
HOST: Final = "127.0.0.1"
MEMORY_DISK: Final = Path("/dev/shm")  # noqa: S108  (a folder of our own is made in it)
MEMORY_DISK_ROOM: Final = 2 << 30

Mode = Literal["smart", "fast", "immediate"]
SIGNALS: Final[dict[Mode, signal.Signals]] = {
    "smart": signal.SIGTERM,
    "fast": signal.SIGINT,
    "immediate": signal.SIGQUIT,
}

# A test ends processes, never the machine: what is written is kept without fsync.
DEFAULTS: Final[dict[str, object]] = {
    "max_connections": 200,
    "fsync": "off",
    "full_page_writes": "off",
    # In the data folder and not where a killed server would leave it.
    "dynamic_shared_memory_type": "mmap",
}


class PostgresFailed(Exception):
    """A program of PostgreSQL did not do what it should; the text is what it said."""


def folder_for_data() -> Path:
    """Where data lies unless a test says otherwise: in memory, where a new database takes a tenth of the time."""
    with suppress(OSError):
        if os.access(MEMORY_DISK, os.W_OK) and shutil.disk_usage(MEMORY_DISK).free >= MEMORY_DISK_ROOM:
            return MEMORY_DISK
    return Path(tempfile.gettempdir())


class PostgresServer(Databases):
    """A PostgreSQL server of our own, as child process, that can be ended in every way and started again on its data.

    It keeps its port. Settings go into its `postgresql.conf`. Use it in a `with` block, or call `close`: both end the
    server and remove its data. Where even that is not reached, its guard does it once this process is gone.
    """

    def __init__(self, binaries: Binaries | None = None, *, place: Path | None = None, **settings: object) -> None:
        self._port = free_port()
        super().__init__(f"postgresql://postgres@{HOST}:{self._port}/postgres")
        self._wanted = binaries
        self._binaries: Binaries | None = None
        self._place = place
        self._settings = DEFAULTS | settings
        self._account = server_account()
        self._guard: Guard | None = None
        self._folders: list[Path] = []
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        if not self.is_running:
            self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def port(self) -> int:
        return self._port

    @property
    def pid(self) -> int:
        """The process that the others are children of."""
        return self._running().pid

    @property
    def binaries(self) -> Binaries | None:
        """The programs that it was told to use, if any."""
        return self._wanted

    @property
    def data(self) -> Path:
        """The folder of its data."""
        return self._folders[0] / "data"

    @property
    def settings(self) -> dict[str, object]:
        """What it was told, for a start that comes and for one that was."""
        return dict(self._settings)

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Return once it takes connections, on the data that it had before, or on new data."""
        assert not self.is_running, "it already runs"
        is_new = not self._folders
        try:
            if is_new:
                self._prepare()
            self._launch()
        except BaseException:
            if is_new:
                self.close()
            else:
                self.kill()
            raise

    def stop(self, mode: Mode = "fast") -> int:
        """Ask it to stop, and give its exit code: smart waits for clients, fast cuts them, immediate saves nothing."""
        return self._ended_by(lambda: self.send(SIGNALS[mode]))

    def kill(self) -> None:
        """End it and all its children at once, as the end of its machine would, if it still runs."""
        if not self.is_running:
            return
        # Stopped first, so that it makes no more children.
        self.send(signal.SIGSTOP)
        children = self._children()
        for process in children:
            _send(process, signal.SIGKILL)
        self._ended_by(lambda: self.send(signal.SIGKILL))
        wait_until(lambda: all(map(_is_gone, children)), STOP_SECONDS, "the server's children are gone")

    def pause(self) -> None:
        """Let it and all its children stand still, connections kept, until `resume`."""
        self.send(signal.SIGSTOP)
        for process in self._children():
            _send(process, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server go on."""
        for process in self._children():
            _send(process, signal.SIGCONT)
        self.send(signal.SIGCONT)

    def send(self, number: signal.Signals) -> None:
        """Send the signal to the server alone, not to its children."""
        self._running().send_signal(number)

    def configure(self, **settings: object) -> None:
        """Change settings of the running server; what only a start reads is read by the next one."""
        self._settings |= settings
        self._write_settings()
        before = self._loaded()
        self.send(signal.SIGHUP)
        wait_until(lambda: self._loaded() != before, START_SECONDS, "the settings are read")

    def close(self) -> None:
        """End it, and remove all that it left."""
        try:
            if self.is_running:
                self.resume()
                self.stop("immediate")
        finally:
            self.kill()
            self.disconnect()
            self._release_shared_memory()
            if self._guard is not None:
                # Also where it ended by itself: its number may be another's by now.
                self._guard.watch(None)
                self._guard.end()
            self._guard, self._folders = None, []

    def log(self) -> str:
        """What it wrote, over all its starts."""
        return (self._folders[0] / "log").read_text(errors="replace")

    def _prepare(self) -> None:
        programs = self._wanted or find_binaries()
        self._folders = [Path(tempfile.mkdtemp(prefix="msgstate-postgres-", dir=self._place or folder_for_data()))]
        self._folders.append(Path(tempfile.mkdtemp(prefix="msgstate-postgres-bin-")))
        self._guard = Guard(self._folders)
        self._account.take(self._folders[0])
        self._binaries = self._runnable(programs)
        self._fill()

    def _runnable(self, binaries: Binaries) -> Binaries:
        """These programs, or where the server's user cannot run them a copy."""
        if self._account.can_run([binaries.program("initdb"), "--version"], self._folders[0]):
            return binaries
        return binaries.copied(self._folders[1])

    def _fill(self) -> None:
        options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
        self._run("initdb", f"--pgdata={self.data}", *options)

    def _run(self, program: str, *arguments: str) -> None:
        command = [self._found().program(program), *arguments]
        with (self._folders[0] / "output").open("w+b") as output:
            with self._account.start(command, self._folders[0], output) as process:
                try:
                    code = process.wait(RUN_SECONDS)
                finally:
                    process.kill()
            output.seek(0)
            if code:
                raise PostgresFailed(f"{program} ended with {code}: {output.read().decode(errors='replace')}")

    def _write_settings(self) -> None:
        own = {"listen_addresses": HOST, "port": self._port, "unix_socket_directories": ""}
        lines = [f"{name} = {_quoted(str(value))}\n" for name, value in (self._settings | own).items()]
        (self.data / "postgresql.conf").write_text("".join(lines))

    def _launch(self) -> None:
        self._write_settings()
        command = [self._found().program("postgres"), "-D", str(self.data)]
        with (self._folders[0] / "log").open("ab") as output:
            self._process = self._account.start(command, self._folders[0], output)
        self._guarded().watch(self._process.pid)
        wait_until(lambda: self._is_ready() or not self.is_running, START_SECONDS, f"ready: {self.log()}")
        if not self.is_running:
            raise PostgresFailed(f"postgres ended with {self._process.returncode}: {self.log()}")
        self.query("SELECT 1")

    def _is_ready(self) -> bool:
        """Whether the file says so that the server keeps for its own control program."""
        lines = self._state()
        return len(lines) >= 8 and lines[0] == str(self.pid) and lines[7].strip() == "ready"

    def _state(self) -> list[str]:
        try:
            return (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def _loaded(self) -> object:
        return self.query("SELECT pg_conf_load_time()")[0][0]

    def _ended_by(self, end: Callable[[], None]) -> int:
        process = self._running()
        self.disconnect()
        end()
        code = process.wait(STOP_SECONDS)
        self._guarded().watch(None)
        return code

    def _release_shared_memory(self) -> None:
        """A killed server leaves a small segment, in case it is started again; its number stands in its file."""
        lines = self._state() if self._folders else []
        if len(lines) >= 7 and len(key_and_id := lines[6].split()) == 2:
            ctypes.CDLL(None).shmctl(int(key_and_id[1]), 0, None)

    def _children(self) -> list[psutil.Process]:
        return psutil.Process(self.pid).children(recursive=True)

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "not started"
        return self._process

    def _found(self) -> Binaries:
        assert self._binaries is not None, "not prepared"
        return self._binaries

    def _guarded(self) -> Guard:
        assert self._guard is not None, "not prepared"
        return self._guard


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _send(process: psutil.Process, number: signal.Signals) -> None:
    with suppress(psutil.NoSuchProcess):
        process.send_signal(number)


def _is_gone(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
