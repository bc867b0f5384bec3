import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.acceptance.cli_session import Session, event, serving
from tests.acceptance.in_process import run
from tests.acceptance.server_process import ServerProcess, environment, wait_until, write_config
from tests.acceptance.terminal import run_in_terminal, widest


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A server that knows of two messages."""
    for session in serving(tmp_path_factory.mktemp("watch")):
        session.publish(
            event("order", "ada@b.example", "OPENED"),
            event("order", "ada@b.example", "DELIVERED"),
            event("order", "ada@b.example", "COMPLAINED"),
            event("offer", "ken@b.example", "UNSUBSCRIBED"),
            event("offer", "ken@b.example", "READ", detail="\x1b[2Jgone"),
        )
        yield session


class Watching:
    """A `msgstate watch` that runs until it is told to stop."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._output, self._errors = folder / "watch.out", folder / "watch.err"
        with self._output.open("wb") as output, self._errors.open("wb") as errors:
            command = [sys.executable, "-m", "msgstate_server", "watch", "--json", *arguments]
            self.process = subprocess.Popen(command, stdout=output, stderr=errors, env=environment(), cwd=folder)

    def messages(self) -> list[str]:
        return [json.loads(line)["messageId"] for line in self._output.read_text().splitlines()]

    def errors(self) -> str:
        return self._errors.read_text()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(10)


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[Callable[..., Watching]]:
    """Starts watches; whatever still runs at the end is killed."""
    started: list[Watching] = []

    def start(*arguments: str) -> Watching:
        started.append(Watching(tmp_path, *arguments))
        return started[-1]

    yield start
    for watch in started:
        watch.process.kill()
        watch.process.wait()


def test_every_event_can_be_followed(session: Session) -> None:
    """`watch --events` prints every event as `history` does, whether it moved a state or not."""
    lines = session.call("watch", "--events", "--from", "earliest", "--max", "5").stdout.splitlines()

    found = [re.split(" {2,}", line)[1:] for line in lines]
    assert found == [
        ["#1", "own/order", "ada@b.example", "- → ENGAGED", "opened"],
        ["#2", "own/order", "ada@b.example", "no change · ENGAGED", "delivered (weaker: already ENGAGED)"],
        ["#3", "own/order", "ada@b.example", "no change · ENGAGED", "complained (weaker: already ENGAGED)"],
        ["#4", "own/offer", "ken@b.example", "- → DELIVERED", "unsubscribed"],
        ["#5", "own/offer", "ken@b.example", "DELIVERED → ENGAGED", 'read: "\ufffd[2Jgone"'],
    ]


def test_events_are_chosen_by_type_and_resumed(session: Session) -> None:
    """`--type` chooses; the command that resumes has it and goes on right after what was printed."""
    chosen = ("--events", "--type", "complained", "--type", "UNSUBSCRIBED")
    first = session.call("watch", *chosen, "--from", "earliest", "--max", "1", "--json")
    token = first.stderr.split("--from ")[1].split()[0]
    second = session.call("watch", *chosen, "--from", token, "--max", "1", "--json")

    assert [json.loads(result.stdout)["position"] for result in (first, second)] == ["3", "4"]
    assert first.stderr.rstrip().endswith("--type COMPLAINED --type UNSUBSCRIBED --events --json")


@pytest.mark.parametrize("columns", [80, 120])
def test_a_watch_fits_the_terminal(session: Session, columns: int) -> None:
    """In a terminal transitions stand under their day, no line wider than the terminal."""
    arguments = ("watch", "--from", "earliest", "--max", "3")
    shown = run_in_terminal(*arguments, columns=columns, NO_COLOR="", MSGSTATE_SERVER=session.server.grpc)

    *lines, resume = shown.plain().splitlines()
    assert shown.code == 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\d UTC", lines[0])
    assert widest("\n".join(lines)) <= columns
    assert resume.startswith("resume with: ")
    assert "\x1b[35m\x1b[1mENGAGED" in shown.text
    assert "\x1b[2J" not in shown.text


def test_a_kept_token_goes_on_where_it_stopped(session: Session, tmp_path: Path) -> None:
    """`--keep` stores how far the watch is, and the next one goes on from there, whatever --from says."""
    arguments = ("watch", "--events", "--from", "earliest", "--max", "2", "--json", "--keep", "watch.token")

    printed = [session.call(*arguments, folder=tmp_path) for _ in range(2)]

    positions = [[json.loads(line)["position"] for line in result.stdout.splitlines()] for result in printed]
    assert positions == [["1", "2"], ["3", "4"]]
    assert "watch --keep watch.token" in printed[0].stderr
    assert (tmp_path / "watch.token").exists()


@pytest.mark.parametrize("file", ["missing/watch.token", "garbage.token"])
def test_a_file_that_cannot_keep_a_token_is_one_line(session: Session, file: str, tmp_path: Path) -> None:
    """A file that cannot be written, or holds something else, is named in one line."""
    (tmp_path / "garbage.token").write_bytes(b"\xff\xfe")

    result = session.call("watch", "--max", "1", "--keep", file, folder=tmp_path)

    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith(f"msgstate: cannot keep the watch's place in {file}")
    assert len(result.stderr.splitlines()) == 1


def test_a_file_whose_token_is_refused_is_named(session: Session, tmp_path: Path) -> None:
    """A token that no server gave out is refused with the name of the file that it stands in."""
    (tmp_path / "odd.token").write_text("A" * 48)

    result = session.call("watch", "--max", "1", "--keep", "odd.token", folder=tmp_path)

    assert (result.returncode, result.stdout) == (2, "")
    assert "resume_token in odd.token: must be a token that msgstate gave out" in result.stderr


def test_a_watch_outlives_its_server(watching: Callable[..., Watching], tmp_path: Path) -> None:
    """A server that is killed and started again costs a watch one line on standard error, and not one transition."""
    store = tmp_path / "msgstate.db"
    server = ServerProcess(store, write_config(tmp_path / "server.toml", store))
    try:
        server.start()
        address = server.grpc
        run("publish", "-", stdin=event("first", "a@b.example", "SENT"), MSGSTATE_SERVER=address)
        watch = watching("--from", "earliest", "--server", address)
        wait_until(lambda: watch.messages() == ["first"], 10, "the first")
        server.kill()
        wait_until(lambda: "lost its server" in watch.errors(), 10, "it says so")
        write_config(tmp_path / "server.toml", store, grpc=address)
        server.start()
        run("publish", "-", stdin=event("second", "a@b.example", "SENT"), MSGSTATE_SERVER=address)
        wait_until(lambda: watch.messages() == ["first", "second"], 20, "the second")

        assert watch.stop() == 130
    finally:
        server.kill()
    lost, resumed, resume = watch.errors().splitlines()
    assert lost.startswith("msgstate: a watch lost its server and tries to resume")
    assert resumed == "msgstate: a watch resumed"
    assert resume.startswith("resume with: ")


def test_a_token_of_another_log_says_what_to_do(session: Session, tmp_path: Path) -> None:
    """A store that was replaced is told in one line, in words of the command line, and the exit code is 1."""
    token = session.call("status", "order", "--json").stdout
    for other in serving(tmp_path):
        result = other.call("watch", "--from", json.loads(token)["resumeToken"])

        assert (result.returncode, result.stdout, len(result.stderr.splitlines())) == (1, "", 1)
        assert result.stderr.startswith("msgstate: HISTORY_DIVERGED: the token is of another log; what changed since")
        assert "--from earliest" in result.stderr


@pytest.mark.parametrize("arguments", [(), ("--events",), ("--keep", "watch.token")], ids=" ".join)
def test_a_server_that_was_never_there(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """Where the first connection fails the watch ends with 3 and one line."""
    result = run("watch", *arguments, "--server", "127.0.0.1:1", folder=tmp_path)

    assert (result.returncode, result.stdout, len(result.stderr.splitlines())) == (3, "", 1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("--type", "BOUNCED"), "--type needs --events"), (("--from", ""), "--from must not be empty"),
     (("--from", "yesterday"), "or an ISO 8601 time"),
     (("--from", "0001-01-01T00:00:00+05:00"), "years from 1 to 9999"),
     (("--events", "--type", "lost"), "--type")],
)  # fmt: skip
def test_what_cannot_be_followed_is_wrong_usage(arguments: tuple[str, ...], said: str) -> None:
    """Types without --events, and a start or a type that is none, are refused before anything is called."""
    result = run("watch", *arguments, "--server", "127.0.0.1:1")

    assert (result.returncode, result.stdout) == (2, "")
    assert said in result.stderr
