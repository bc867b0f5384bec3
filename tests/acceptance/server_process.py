import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from subprocess import CompletedProcess

START_SECONDS = 30.0
STOP_SECONDS = 30.0
RUN_SECONDS = 30.0
# The tests of the client also run where only the client is installed; a server needs more.
PYTHON = os.environ.get("MSGSTATE_TEST_SERVER_PYTHON", sys.executable)
READY = re.compile(r"^msgstate is ready: grpc=(\S+) http=(\S+) store=(\S+)$", re.MULTILINE)


CREDENTIALS = """
[webhooks.cloudmailin]
basic = ["hook:secret"]

[webhooks.emailit]
basic = ["hook:secret"]
secrets = ["whsec_test"]
"""


def url_of(store: Path | str) -> str:
    """The URL of a store that is named by its file or by its URL."""
    return f"sqlite:///{store}" if isinstance(store, Path) else store


def write_config(file: Path, store: Path | str, **settings: str) -> Path:
    """Write a server's file: the store, free ports, credentials for both providers; settings win over these."""
    values = {"store": url_of(store), "grpc": "127.0.0.1:0", "http": "127.0.0.1:0"} | settings
    # A JSON string is a TOML string.
    file.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items()) + CREDENTIALS)
    return file


def run(*arguments: str, stdin: str = "", folder: Path | None = None, **variables: str) -> CompletedProcess[str]:
    """Run `msgstate` to its end, its output captured."""
    command = [sys.executable, "-m", "msgstate_server", *arguments]
    return subprocess.run(
        command,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=environment(**variables),
        timeout=RUN_SECONDS,
    )


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Return once the condition holds; fail when it does not within so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.01)


def environment(**variables: str) -> dict[str, str]:
    """This process's environment without any setting of msgstate's, and with these variables.

    Where the machine has no curl, there is a stand-in on PATH for the commands that are shown to users.
    """
    own = {name: value for name, value in os.environ.items() if not name.startswith("MSGSTATE_")}
    path = f"{os.environ['PATH']}{os.pathsep}{Path(__file__).with_name('bin')}"
    return own | {"NO_COLOR": "1", "PATH": path, "STAND_IN_PYTHON": sys.executable} | variables


class ServerProcess:
    """`msgstate serve` as a process of its own; it can be started again on the same store, at other ports.

    The store is named by its file or by its URL.
    """

    def __init__(
        self,
        store: Path | str,
        config: Path,
        arguments: Sequence[str] = (),
        folder: Path | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self._store = store
        self.config = config
        self._command = [PYTHON, "-m", "msgstate_server", "serve", "--config", str(config), *arguments]
        self._folder = folder
        self._environment = environment(**(variables or {}))
        self.grpc = ""
        self.http = ""
        self._output = config.with_suffix(".out")
        self._errors = config.with_suffix(".err")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        return self._running().pid

    @property
    def store(self) -> Path:
        """The store's file."""
        assert isinstance(self._store, Path), f"{self._store} is no file"
        return self._store

    def start(self) -> None:
        """Return once the ready line stands on its standard output, the addresses read from it."""
        with self._output.open("wb") as output, self._errors.open("ab") as errors:
            self._process = subprocess.Popen(
                self._command, stdout=output, stderr=errors, env=self._environment, cwd=self._folder
            )
        try:
            wait_until(lambda: self._is_ready() or self._has_ended(), START_SECONDS, "ready")
        finally:
            assert self._is_ready(), self.log()

    def terminate(self) -> int:
        """Ask it to stop, and give its exit code."""
        return self.interrupt(signal.SIGTERM)

    def send(self, number: signal.Signals) -> None:
        """Send the signal."""
        self._running().send_signal(number)

    def interrupt(self, number: signal.Signals) -> int:
        """Send the signal, and give the exit code."""
        self.send(number)
        return self._running().wait(STOP_SECONDS)

    def kill(self) -> None:
        """End it as a power cut would, if it still runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_SECONDS)

    def output(self) -> str:
        """What it printed on standard output since it was last started."""
        return self._output.read_text()

    def log(self) -> str:
        """What it wrote on standard error, over all its starts."""
        return self._errors.read_text()

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "not started"
        return self._process

    def _has_ended(self) -> bool:
        return self._running().poll() is not None

    def _is_ready(self) -> bool:
        found = READY.search(self.output())
        if found:
            self.grpc, self.http, _ = found.groups()
        return found is not None
