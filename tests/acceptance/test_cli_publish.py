import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.cli_session import Session, event, kind, serving
from tests.acceptance.in_process import run
from tests.acceptance.server_process import environment
from tests.acceptance.terminal import run_in_terminal
from tests.webhooks.samples import seed

EMAILIT_DELIVERY = seed("emailit-delivery.json")
MANY = 8_000


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A server that knows of nothing yet."""
    yield from serving(tmp_path_factory.mktemp("publish"))


def saved(folder: Path, *events: object) -> str:
    """A webhook of CloudMailin's in a file."""
    file = folder / "webhook.json"
    file.write_text(json.dumps({"events": events}))
    return str(file)


def test_a_saved_webhook_becomes_what_it_becomes_when_posted(session: Session, tmp_path: Path) -> None:
    """A body that is published with --provider counts as the same events as the body that is posted."""
    file = saved(tmp_path, kind("delivery", "saved", "a@b.example"), kind("open", "saved", "a@b.example"))

    result = session.call("publish", "--provider", "cloudmailin", file)
    posted = session.post("cloudmailin", Path(file).read_bytes())

    assert (result.returncode, result.stdout) == (0, "2 accepted, 0 duplicates, 0 refused\n")
    assert (posted["accepted"], posted["duplicates"]) == (0, 2)


def test_a_saved_webhook_of_an_account(session: Session, tmp_path: Path) -> None:
    """`--account` names the account that the webhook was posted for, and stands in the event's metadata."""
    (tmp_path / "body.json").write_bytes(EMAILIT_DELIVERY)

    result = session.call(
        "publish", "--provider", "emailit", "--account", "shop", "body.json", "--json", folder=tmp_path
    )
    position = json.loads(result.stdout)["position"]
    history = session.call("watch", "--events", "--from", "earliest", "--max", position, "--json").stdout.splitlines()

    assert "shop" in json.loads(history[-1])["event"]["metadata"].values()


def test_enum_values_go_by_name_with_or_without_prefix(session: Session, tmp_path: Path) -> None:
    """JSON lines take `BOUNCED` as well as `EVENT_TYPE_BOUNCED`, and a wrong name is told the valid ones."""
    common = {"provider": "acme", "message_id": "named", "recipient": "a@b.example"}
    lines = [
        common | {"type": "SENT"},
        common | {"type": "EVENT_TYPE_BOUNCED", "reason": "MAILBOX_FULL"},
        common | {"type": "LOST"},
    ]
    (tmp_path / "events.jsonl").write_text("\n".join(map(json.dumps, lines)))

    result = session.call("publish", "events.jsonl", folder=tmp_path)
    history = session.call("history", "named", "--json").stdout.splitlines()

    assert result.returncode == 1
    assert re.search(
        r"^line 3: .*type must be one of ACCEPTED, .*BOUNCED.*; found 'LOST'$", result.stdout, re.MULTILINE
    )
    assert [json.loads(line)["event"]["type"] for line in history] == ["EVENT_TYPE_SENT", "EVENT_TYPE_BOUNCED"]
    assert json.loads(history[1])["event"]["reason"] == "REASON_MAILBOX_FULL"


def test_parts_that_are_not_understood_are_named(session: Session, tmp_path: Path) -> None:
    """What is not understood is refused by its JSON pointer, the other parts are published, and the exit code is 1."""
    file = saved(tmp_path, kind("delivery", "parts", "a@b.example"), {"kind": "open"}, 7)

    plain = session.call("publish", "--provider", "cloudmailin", file)
    as_json = session.call("publish", "--provider", "cloudmailin", file, "--json")

    *refused, counts = plain.stdout.splitlines()
    assert (plain.returncode, counts) == (1, "1 accepted, 0 duplicates, 2 refused")
    assert [line.split(": ")[0] for line in refused] == ["pointer /events/1", "pointer /events/2"]
    assert [(line["pointer"], line["disposition"]) for line in map(json.loads, as_json.stdout.splitlines())] == [
        ("/events/1", "DISPOSITION_REFUSED"),
        ("/events/2", "DISPOSITION_REFUSED"),
        ("/events/0", "DISPOSITION_DUPLICATE"),
    ]
    assert json.loads(session.call("list", "--message-id", "parts", "--json").stdout)["state"] == "STATE_DELIVERED"


def test_a_body_that_is_no_webhook(session: Session) -> None:
    """A body that is not understood at all is refused as a whole."""
    result = session.call("publish", "--provider", "emailit", "-", stdin="{nonsense")

    assert result.returncode == 1
    assert result.stdout.startswith("the body is not JSON: ")
    assert result.stdout.endswith("0 accepted, 0 duplicates, 1 refused\n")


def test_parts_that_are_not_tracked_are_counted(session: Session) -> None:
    """What is acknowledged and not tracked is no failure, and is counted."""
    result = session.call("publish", "--provider", "emailit", "-", stdin='[{"type": "domain.created", "data": {}}]')

    assert (result.returncode, result.stdout) == (0, "0 accepted, 0 duplicates, 0 refused, 1 ignored\n")


def test_a_reader_that_goes_away_changes_no_count(session: Session) -> None:
    """Where the pipe is closed after the first line, the count is still that of what is durable."""
    lines = "".join(event(f"piped-{number}", "a@b.example", "SENT") for number in range(400))
    command = [sys.executable, "-m", "msgstate_server", "publish", "-", "--json"]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(MSGSTATE_SERVER=session.server.grpc),
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(lines)
        process.stdin.close()
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
    assert "400 accepted" in said


@pytest.mark.parametrize("arguments", [("--provider", "pigeon"), ("--account", "shop")], ids=" ".join)
def test_wrong_usage(arguments: tuple[str, ...]) -> None:
    """A provider that the program does not know, and an account without one, are refused before anything is called."""
    result = run("publish", "-", *arguments, "--server", "127.0.0.1:1")

    assert (result.returncode, result.stdout) == (2, "")


@pytest.fixture(scope="module")
def long_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Many lines, one of which is bad."""
    file = tmp_path_factory.mktemp("long") / "events.jsonl"
    lines = [event(f"long-{number}", "a@b.example", "SENT") for number in range(MANY)]
    file.write_text("".join([*lines[:6000], "nonsense\n", *lines[6000:]]))
    return file


def test_a_long_input_shows_a_bar_in_a_terminal(session: Session, long_file: Path) -> None:
    """In a terminal a long file gets a progress bar, and refused lines and the counts stand whole."""
    shown = run_in_terminal("publish", str(long_file), NO_COLOR="", MSGSTATE_SERVER=session.server.grpc)

    assert shown.code == 1
    assert "publishing" in shown.text
    assert f"{MANY + 1:,} events" in shown.plain()
    assert "line 6001: is not an Event in JSON" in shown.plain()
    assert f"{MANY} accepted, 0 duplicates, 1 refused" in shown.plain().splitlines()[-1]


def test_a_short_input_and_a_pipe_get_no_bar(session: Session, long_file: Path, tmp_path: Path) -> None:
    """There is no bar for a few lines, and none where standard error is no terminal."""
    short = tmp_path / "short.jsonl"
    short.write_text(event("short", "a@b.example", "SENT"))

    shown = run_in_terminal("publish", str(short), MSGSTATE_SERVER=session.server.grpc)
    piped = session.call("publish", str(long_file))

    assert shown.text == "1 accepted, 0 duplicates, 0 refused\n"
    assert "publishing" not in piped.stdout + piped.stderr
