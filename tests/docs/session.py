"""A reader who does what a page says, in a folder of its own, at free ports instead of those in the text."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from msgstate_server import settings
from msgstate_server.domain.diagram import mermaid
from tests.acceptance.server_process import READY, RUN_SECONDS, environment, wait_until
from tests.docs.pages import ROOT, Block
from tests.docs.proxy import check_proxy
from tests.docs.service_user import NoServiceUser, ServiceUser
from tests.docs.unit import Unit

_WRITTEN: Final = ("127.0.0.1:50051", "127.0.0.1:8080")
"""The addresses in the text, where every page's server listens."""
DATABASE: Final = "postgresql://msgstate@db.example/msgstate"
"""The database in the text, which is an empty one of PostgreSQL."""


class Session:
    """One reader: a folder, the commands on its PATH, at most one server and one program that goes on by itself."""

    def __init__(self, folder: Path, database: str = "", service_user: ServiceUser | None = None) -> None:
        self.folder = folder
        self._service_user = service_user or NoServiceUser()
        self.addresses: dict[str, str] = {}
        self.variables = environment(MSGSTATE_GRPC="127.0.0.1:0", MSGSTATE_HTTP="127.0.0.1:0", COLUMNS="100")
        self._places = {
            "/opt/msgstate": f"{folder}/.venv",
            "/usr/local/bin/": f"{folder}/bin/",
            "/etc/msgstate": f"{folder}/etc",
            "/var/lib/msgstate": f"{folder}/state",
        }
        if database:
            self._places[DATABASE] = database
        if service_user is None:
            self._add_commands()
        (folder / "bin").mkdir()
        self.variables["PATH"] = f"{folder}/.venv/bin:{folder}/bin:{self.variables['PATH']}"
        self._unit_command: Sequence[str] = ()
        self._server: subprocess.Popen[bytes] | None = None
        self._following: subprocess.Popen[bytes] | None = None
        self._output = folder / ".output"
        self._known: Mapping[str, Callable[[Block], None]] = {
            "sh": self._shell,
            "python": self._python,
            "text": self._compare,
            "toml": self._toml,
            "json": self._json,
            "ini": self._unit,
            "nginx": self._proxy,
            "mermaid": self._diagram,
        }

    def do(self, block: Block) -> None:
        """Do what the block says, and fail where it does not do what the page says."""
        assert block.language in self._known, f"{block}: no test knows what to do with {block.language!r}"
        if block.named("file"):
            (self.folder / block.named("file")).write_text(self.here(block.text))
        self._known[block.language](block)

    def close(self) -> None:
        """End what still runs."""
        for process in (self._following, self._server):
            if process is not None:
                _end(process)

    def stop_server(self) -> int:
        """Stop the server as a person does, and give its exit code."""
        assert self._server is not None, "no server runs"
        self._server.send_signal(signal.SIGTERM)
        return self._server.wait(RUN_SECONDS)

    def server_user(self) -> int:
        """The number of the user that the server runs as."""
        assert self._server is not None, "no server runs"
        return Path(f"/proc/{self._server.pid}").stat().st_uid

    def kill_server(self) -> None:
        """End the server as a power cut would."""
        assert self._server is not None, "no server runs"
        self._server.kill()
        self._server.wait()

    def serve(self, *command: str) -> None:
        """Start the server, after the one that ran, at the same ports; return once it is ready."""
        if self._server is not None and self._server.poll() is None:
            assert self.stop_server() == 0
        log = self.folder / ".server"
        with log.open("wb") as output, (self.folder / ".server.log").open("ab") as errors:
            self._server = subprocess.Popen(
                command, stdout=output, stderr=errors, cwd=self.folder, env=self.variables, start_new_session=True
            )
        server = self._server
        wait_until(lambda: bool(READY.search(log.read_text())) or server.poll() is not None, RUN_SECONDS, "ready")
        found = READY.search(log.read_text())
        assert found, (self.folder / ".server.log").read_text()
        self.addresses = dict(zip(_WRITTEN, found.groups(), strict=False))
        self.variables |= {"MSGSTATE_GRPC": found[1], "MSGSTATE_HTTP": found[2], "MSGSTATE_SERVER": found[1]}

    def finish(self) -> None:
        """See that the page showed what each program that goes on by itself printed."""
        assert self._following is None, "the page ends without a block of `text` for its last program"

    def here(self, text: str) -> str:
        """The text with this session's own addresses, folder and service user."""
        text = self._service_user.here(text)
        for written, actual in (self.addresses | self._places).items():
            text = text.replace(written, actual)
        return text

    def output(self) -> str:
        """What the last program printed."""
        return self._output.read_text()

    def shell(self, text: str) -> str:
        """Run a command beside the program that goes on by itself, and give what it printed."""
        return subprocess.run(
            ["sh", "-ec", self.here(text)],
            cwd=self.folder,
            env=self.variables,
            check=True,
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
        ).stdout

    def _add_commands(self) -> None:
        folder = self.folder / ".venv" / "bin"
        folder.mkdir(parents=True)
        commands = {"msgstate": f"{sys.executable} -m msgstate_server", "python": sys.executable}
        for name, command in commands.items():
            (folder / name).write_text(f'#!/bin/sh\nexec {command} "$@"\n')
            (folder / name).chmod(0o755)

    def _shell(self, block: Block) -> None:
        if "serve" in block.words and block.text.startswith("systemctl "):
            assert self._unit_command, f"{block}: show the unit first"
            self.serve(*self._unit_command)
            return
        if "serve" in block.words:
            self.serve("sh", "-c", f"exec {self.here(block.text)}")
            return
        if "stop" in block.words:
            assert self.stop_server() == 0
            return
        lines = block.text.splitlines()
        targets = [line.split()[1] for line in lines if line.startswith("make ")]
        for target in targets:
            # The targets have tests of their own; run from here, they would run this one.
            subprocess.run(["make", "-n", target], cwd=ROOT, check=True, capture_output=True)
        text = "".join(f"{line}\n" for line in lines if not line.startswith("make "))
        if text.strip():
            self._run(block, "sh", "-ec", self.here(text))

    def _python(self, block: Block) -> None:
        if block.named("file"):
            compile(block.text, str(block), "exec")
        else:
            self._run(block, sys.executable, "-u", "-c", self.here(block.text))

    def _run(self, block: Block, *command: str) -> None:
        self._end_following(block)
        with self._output.open("wb") as output:
            process = subprocess.Popen(
                command,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=self.variables,
                start_new_session=True,
            )
        if "follow" in block.words:
            self._following = process
            return
        try:
            code = process.wait(RUN_SECONDS)
        finally:
            _end(process)
        assert int(block.named("exit") or 0) == code, f"{block}:\n{self.output()}"

    def _end_following(self, block: Block) -> None:
        assert self._following is None, f"{block}: show what the program before printed, in a block of `text`"

    def _compare(self, block: Block) -> None:
        expected = pattern(self.here(block.text))
        following, self._following = self._following, None
        if following is not None:
            try:
                wait_until(lambda: bool(expected.fullmatch(self.output())), RUN_SECONDS, f"{block}\n{self.output()}")
                assert following.poll() is None, f"{block}: it ended"
            finally:
                _end(following)
        assert expected.fullmatch(self.output()), f"{block}:\n{self.output()}"

    def _toml(self, block: Block) -> None:
        assert block.named("file"), f"{block}: name the file that a reader makes of it"
        settings.load(self.folder / block.named("file"), {})

    def _json(self, block: Block) -> None:
        for line in block.text.splitlines() if block.named("file").endswith(".jsonl") else [block.text]:
            json.loads(line)

    def _unit(self, block: Block) -> None:
        unit = Unit(self.here(block.text), self.folder)
        unit.verify()
        self._unit_command = self._service_user.command(unit.command)

    def _proxy(self, block: Block) -> None:
        check_proxy(self.here(block.text), self.addresses[_WRITTEN[1]], self.folder)

    def _diagram(self, block: Block) -> None:
        assert block.text == mermaid()


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program and all that it started: a shell does not take its children along."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def pattern(text: str) -> re.Pattern[str]:
    """What a page shows of an output: `...` stands for anything, several spaces for as many as a column takes."""
    escaped = re.escape(text.rstrip("\n")).replace(re.escape("..."), ".*?")
    return re.compile(re.sub(r"(\\ ){2,}", "  +", escaped) + r"\n?", re.DOTALL)
