"""Every example in a command's help does what it says."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from msgstate_server.cli import main
from msgstate_server.cli.demo import play
from tests.acceptance.cli_session import Session, event, kind, serving
from tests.acceptance.in_process import run
from tests.acceptance.server_process import CREDENTIALS, READY, environment, wait_until

SECONDS = 30.0
# Of what the example's webhook in quarantine lacks, and of ids that are not there.
EXIT_CODES = {
    "msgstate quarantine replay --all": 1,
    "msgstate quarantine replay --all --json": 1,
    "msgstate quarantine replay 1 2": 1,
    "msgstate quarantine discard 1 2": 1,
    "msgstate status --ref order-77": 1,
}
WRITTEN = {
    "2026-11-21T09:00:00Z": "2024-11-21T09:00:00Z",
    "0.0.0.0:8080": "127.0.0.1:0",
}
DATABASE = "postgresql://msgstate@db.example/msgstate"


def examples(command: click.Command) -> Iterator[str]:
    """Every example of the command, and of those in it."""
    context = click.Context(command)
    lines = (command.epilog or "").splitlines()
    text = ""
    for line in lines[lines.index("Examples:") + 1 :] if lines else ():
        text += line.strip()
        if text.endswith("|"):
            continue
        yield text
        text = ""
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from examples(inner)


EXAMPLES = list(examples(main))
SERVING = [text for text in EXAMPLES if "msgstate serve" in text]
DEMOS = [text for text in EXAMPLES if text.startswith("msgstate demo")]
ENDLESS = [text for text in EXAMPLES if text.startswith("msgstate watch") and "--max" not in text]
OTHERS = [text for text in EXAMPLES if text not in {*SERVING, *DEMOS, *ENDLESS}]


def words_of(text: str) -> tuple[str, ...]:
    """The words that name the command."""
    return tuple(text.split()[: 3 if text.startswith("msgstate quarantine") else 2])


FIRST = {words_of(text): text for text in reversed(OTHERS)}.values()
# Of each command one example is pasted into a shell, and each that only a shell can read.
CALLED = {text for text in OTHERS if text not in FIRST and not set("|<>$") & set(text)}


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A server to which the demo's play was posted."""
    for session in serving(tmp_path_factory.mktemp("examples")):
        for scene in play.scenes():
            for step in scene.steps:
                session.post(step.provider, step.body)
        session.publish(event("m1", "a@b.example", "SENT"))
        yield session


class Reader:
    """Pastes examples into a shell, in a folder that has the files they name."""

    def __init__(self, folder: Path, session: Session, database: str) -> None:
        self.folder, self.database = folder, database
        # Called by its name, as the script that is installed calls it.
        (folder / "bin").mkdir()
        (folder / "bin" / "msgstate").write_text(
            f"#!{sys.executable}\nimport sys\nfrom msgstate_server.__main__ import main\n"
            "sys.argv[0] = 'msgstate'\nmain()\n"
        )
        (folder / "bin" / "msgstate").chmod(0o755)
        (folder / ".config" / "fish" / "completions").mkdir(parents=True)
        (folder / "events.jsonl").write_text(event("of-a-file", "a@b.example", "SENT"))
        webhook = {"events": [kind("open", "of-a-webhook", "a@b.example")]}
        (folder / "webhook.json").write_text(json.dumps(webhook))
        (folder / "msgstate.toml").write_text(CREDENTIALS)
        self.variables = environment(
            MSGSTATE_SERVER=session.server.grpc,
            MSGSTATE_GRPC="127.0.0.1:0",
            MSGSTATE_HTTP="127.0.0.1:0",
            PATH=f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            HOME=str(folder),
            TMPDIR=str(folder),
        )
        self._started: list[subprocess.Popen[bytes]] = []

    def start(self, text: str) -> subprocess.Popen[bytes]:
        """Paste the example; what it prints goes to a file."""
        text = self._prepared(text)
        with self._output.open("wb") as output:
            process = subprocess.Popen(
                ["bash", "-c", f"set -o pipefail; {text}"],
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=self.variables,
                start_new_session=True,
            )
        self._started.append(process)
        return process

    def call(self, text: str) -> int:
        """Call the example's command here, and give its exit code."""
        own = {name: value for name, value in self.variables.items() if name.startswith("MSGSTATE_")}
        return run(*shlex.split(self._prepared(text))[1:], folder=self.folder, **own).returncode

    def _prepared(self, text: str) -> str:
        """The example about files in this folder and a database; the store that it checks or copies is there."""
        text = text.replace("/var/lib/msgstate", str(self.folder)).replace("/etc", str(self.folder))
        text = text.replace(DATABASE, self.database)
        if text.startswith(("msgstate check", "msgstate compact-file")):
            assert run("migrate", "--store", f"sqlite:///{self.folder / 'msgstate.db'}").returncode == 0
        if text.startswith("msgstate copy"):
            source = next(word for word in text.split() if "://" in word)
            assert run("migrate", "--store", source, folder=self.folder).returncode == 0
        for written, actual in WRITTEN.items():
            text = text.replace(written, actual)
        return text

    @property
    def _output(self) -> Path:
        return self.folder / "printed"

    def printed(self) -> str:
        return self._output.read_text()

    def stop(self) -> None:
        for process in self._started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@pytest.fixture
def reader(text: str, tmp_path: Path, session: Session, request: pytest.FixtureRequest) -> Iterator[Reader]:
    database = request.getfixturevalue("postgres_dsn") if DATABASE in text else ""
    reader = Reader(tmp_path, session, database)
    yield reader
    reader.stop()


@pytest.mark.parametrize("text", OTHERS)
def test_example(text: str, reader: Reader) -> None:
    """The example ends by itself with the exit code that its words promise."""
    if text in CALLED:
        assert reader.call(text) == EXIT_CODES.get(text, 0)
        return
    process = reader.start(text)

    assert (process.wait(SECONDS), "Traceback" in reader.printed()) == (EXIT_CODES.get(text, 0), False), (
        reader.printed()
    )


@pytest.mark.parametrize("text", SERVING)
def test_example_that_serves(text: str, reader: Reader) -> None:
    """The example starts a server, which a signal ends with 0."""
    process = reader.start(text)
    wait_until(lambda: READY.search(reader.printed()) is not None or process.poll() is not None, SECONDS, "ready")

    os.killpg(process.pid, signal.SIGTERM)
    assert process.wait(SECONDS) == 0, reader.printed()


@pytest.mark.xdist_group("demo")
@pytest.mark.parametrize("text", DEMOS)
def test_example_of_the_demo(text: str, reader: Reader) -> None:
    """The demo starts, and ends with 0 by itself or by Ctrl-C."""
    process = reader.start(text)
    if "--once" not in text:
        wait_until(lambda: "registration" in reader.printed() or process.poll() is not None, SECONDS, "started")
        os.killpg(process.pid, signal.SIGINT)

    assert process.wait(SECONDS) == 0, reader.printed()


@pytest.mark.parametrize("text", ENDLESS)
def test_example_that_follows(text: str, reader: Reader, session: Session) -> None:
    """The watch prints what it was asked for until Ctrl-C, which ends it with 130."""
    process = reader.start(text)
    deadline = time.monotonic() + SECONDS
    number = 0
    while not reader.printed() and time.monotonic() < deadline and process.poll() is None:
        session.publish(event(f"{time.time_ns()}-{number}", "a@b.example", "COMPLAINED"))
        number += 1

    os.killpg(process.pid, signal.SIGINT)
    assert (process.wait(SECONDS), bool(reader.printed())) == (130, True), reader.printed()
