import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pysqlite3 import dbapi2

from tests.acceptance.cli_session import Session, event, kind, serving
from tests.acceptance.in_process import run
from tests.acceptance.server_process import environment
from tests.acceptance.terminal import run_in_terminal, widest

GARBAGE = b"{nonsense \x1b[2J\xff"
HALF = json.dumps({"events": [kind("delivery", "half", "a@b.example"), {"kind": "open"}]}).encode()


def quarantined(folder: Path) -> Iterator[Session]:
    """A server with two webhooks in quarantine: 1, of which nothing is understood, and 2, half of which is."""
    for session in serving(folder):
        session.post("emailit", GARBAGE)
        session.post("cloudmailin", HALF)
        yield session


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """A server of the test's own."""
    yield from quarantined(tmp_path)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A server for tests that only look."""
    yield from quarantined(tmp_path_factory.mktemp("quarantine"))


def spoil(session: Session) -> None:
    """Take the event that was understood out of the log, as if only this version could read it."""
    session.server.terminate()
    with closing(dbapi2.connect(str(session.server.store), isolation_level=None)) as connection:
        for statement in (
            "DELETE FROM event",
            "DELETE FROM recipient_status",
            "UPDATE head SET position = 0, commit_time = 0, fingerprint = zeroblob(8)",
            """UPDATE quarantine SET problems = '[["/events/0","is new"],["/events/1","is new"]]' WHERE id = 2""",
        ):
            connection.execute(statement)
    session.server.start()


def test_quarantine_is_listed(shared: Session) -> None:
    """`quarantine list` prints a line per webhook, the newest first: id, time, provider, size and the first problem."""
    plain, as_json = shared.call("quarantine", "list"), shared.call("quarantine", "list", "--json")

    rows = [line.split(maxsplit=4) for line in plain.stdout.splitlines()]
    assert [(row[0], *row[2:4]) for row in rows] == [
        ("2", "cloudmailin", str(len(HALF))),
        ("1", "emailit", str(len(GARBAGE))),
    ]
    assert rows[0][4].startswith("/events/1: ")
    assert rows[1][4].startswith("the body is not ")
    assert [json.loads(line)["id"] for line in as_json.stdout.splitlines()] == ["2", "1"]


def test_a_list_is_filtered_and_paged(shared: Session) -> None:
    """`--provider` chooses, `--limit` cuts and the command for the next page goes on."""
    chosen = shared.call("quarantine", "list", "--provider", "emailit", "--json")
    first = shared.call("quarantine", "list", "--limit", "1", "--json")
    token = first.stderr.split("--page ")[1].strip()
    second = shared.call("quarantine", "list", "--limit", "1", "--json", "--page", token)

    assert [json.loads(result.stdout)["id"] for result in (chosen, first, second)] == ["1", "2", "1"]
    assert "quarantine list" in first.stderr
    assert second.stderr == ""


def test_one_is_shown(shared: Session) -> None:
    """`quarantine show` tells why, which parts are understood and where they are in the log, and prints the body."""
    lines = shared.call("quarantine", "show", "2").stdout.splitlines()

    assert lines[:2] == ["id          2", "from        cloudmailin"]
    assert "not understood" in lines
    assert lines[lines.index("not understood") + 1].startswith("  /events/1: ")
    assert lines[lines.index("understood") + 1] == (
        "  /events/0: cloudmailin/half  a@b.example  delivered (delivery)  (#1 in the log)"
    )
    assert lines[-1] == HALF.decode()


def test_the_body_alone_is_its_bytes(shared: Session) -> None:
    """`quarantine show --body` prints every byte as it came, and nothing else."""
    command = [sys.executable, "-m", "msgstate_server", "quarantine", "show", "1", "--body"]
    printed = subprocess.run(
        command, capture_output=True, check=True, env=environment(MSGSTATE_SERVER=shared.server.grpc)
    )

    assert (printed.stdout, printed.stderr) == (GARBAGE, b"")


def test_show_as_json(shared: Session) -> None:
    """`quarantine show --json` prints what it is, then a line per event that is understood."""
    payload, found = map(json.loads, shared.call("quarantine", "show", "2", "--json").stdout.splitlines())

    assert (payload["id"], payload["problems"][0]["pointer"]) == ("2", "/events/1")
    assert (found["pointer"], found["position"], found["event"]["messageId"]) == ("/events/0", "1", "half")


@pytest.mark.parametrize("columns", [80, 120])
def test_in_a_terminal(shared: Session, columns: int) -> None:
    """In a terminal the list is a table, JSON is laid out, and a body has no power over the terminal."""
    server = {"MSGSTATE_SERVER": shared.server.grpc, "NO_COLOR": ""}
    listed = run_in_terminal("quarantine", "list", columns=columns, **server)
    shown = run_in_terminal("quarantine", "show", "2", columns=columns, **server)
    body = run_in_terminal("quarantine", "show", "1", "--body", columns=columns, **server)

    assert widest(listed.plain()) <= columns
    assert ["id", "received", "from", "size", "problems"] in [line.split() for line in listed.plain().splitlines()]
    assert '      "kind": "delivery",' in shown.text.splitlines()
    assert body.text == "{nonsense \ufffd[2J\ufffd\n"


def test_replay_says_what_each_part_became(session: Session) -> None:
    """`quarantine replay` publishes what is understood now, as `show` says; repeated, it is a duplicate there."""
    spoil(session)

    assert "(not in the log: a replay publishes it)" in session.call("quarantine", "show", "2").stdout
    first, second = (session.call("quarantine", "replay", "2") for _ in range(2))

    assert (first.returncode, second.returncode) == (1, 1)
    outcome, problem, counts = first.stdout.splitlines()
    assert outcome == "2  /events/0: accepted, #1 in the log"
    assert problem.startswith("2  /events/1: ")
    assert counts == "1 replayed: 1 accepted, 0 duplicates, 0 refused, 1 problems"
    assert second.stdout.splitlines()[0] == "2  /events/0: duplicate, #1 in the log"


def test_all_are_replayed(shared: Session) -> None:
    """`--all` replays what is listed, of one provider where it is named, and exits with 1 where problems remain."""
    everything = shared.call("quarantine", "replay", "--all", "--json")
    chosen = shared.call("quarantine", "replay", "--all", "--provider", "emailit", "--json")
    nothing = shared.call("quarantine", "replay", "--all", "--provider", "nobody")

    assert [json.loads(line)["id"] for line in everything.stdout.splitlines()] == ["2", "1"]
    assert everything.stderr == "2 replayed: 0 accepted, 1 duplicates, 0 refused, 2 problems\n"
    assert [json.loads(line)["id"] for line in chosen.stdout.splitlines()] == ["1"]
    assert (nothing.returncode, nothing.stdout) == (0, "0 replayed: 0 accepted, 0 duplicates, 0 refused, 0 problems\n")


def test_what_was_replayed_is_listed_on_demand(session: Session) -> None:
    """A webhook all of which a replay understood is listed with --replayed alone, until it is discarded."""
    session.server.terminate()
    with closing(dbapi2.connect(str(session.server.store), isolation_level=None)) as connection:
        connection.execute("UPDATE quarantine SET problems = '[]' WHERE id = 2")
    session.server.start()

    assert len(session.call("quarantine", "list").stdout.splitlines()) == 1
    assert "none: replayed" in session.call("quarantine", "list", "--replayed").stdout


def test_discard_asks_in_a_terminal(session: Session) -> None:
    """In a terminal `quarantine discard` asks first, and does nothing without a yes."""
    refused = run_in_terminal("quarantine", "discard", "--all", typed="n\n", MSGSTATE_SERVER=session.server.grpc)
    assert refused.code == 1
    assert "Discard 2 quarantined webhooks for good?" in refused.text
    assert len(session.call("quarantine", "list").stdout.splitlines()) == 2

    agreed = run_in_terminal("quarantine", "discard", "--all", typed="y\n", MSGSTATE_SERVER=session.server.grpc)
    assert (agreed.code, agreed.text.split()[-2:]) == (0, ["2", "discarded"])
    assert session.call("quarantine", "list").stdout == ""


def test_discard_leaves_the_events_and_tells_what_is_not_there(session: Session) -> None:
    """What was understood stays in the log when its webhook is discarded; an id that is not there is counted."""
    result = session.call("quarantine", "discard", "2", "2", "--yes")
    missing = session.call("quarantine", "discard", "7", "1")

    assert (result.returncode, result.stdout) == (0, "1 discarded\n")
    assert (missing.returncode, missing.stdout, missing.stderr) == (1, "1 discarded\n", "1 were not there\n")
    assert session.call("status", "half").returncode == 0


def test_what_is_not_there_is_told(shared: Session) -> None:
    """An id that is not in quarantine is named by replay and show, which exit with 1; the others go on."""
    replayed = shared.call("quarantine", "replay", "7", "2")
    shown = shared.call("quarantine", "show", "7")

    assert [result.returncode for result in (replayed, shown)] == [1, 1]
    assert replayed.stdout.splitlines()[0].startswith("7  QUARANTINED_NOT_FOUND: ")
    assert replayed.stdout.splitlines()[1].startswith("2  /events/0: duplicate")
    assert shown.stderr.startswith("msgstate: QUARANTINED_NOT_FOUND: ")


@pytest.mark.parametrize(
    "arguments", [(), ("1", "--all"), ("1", "--provider", "emailit"), ("zero",), ("0",), (str(2**63),)], ids=" ".join
)
@pytest.mark.parametrize("name", ["replay", "discard"])
def test_ids_or_all(name: str, arguments: tuple[str, ...]) -> None:
    """Neither ids nor --all, both of them, or an id that is none, is wrong usage."""
    result = run("quarantine", name, *arguments, "--server", "127.0.0.1:1")

    assert (result.returncode, result.stdout) == (2, "")


@pytest.mark.parametrize(
    "arguments", [("list",), ("show", "1"), ("replay", "1"), ("replay", "--all"), ("discard", "1")], ids=" ".join
)
def test_a_server_that_is_away(arguments: tuple[str, ...]) -> None:
    """Where no server answers each command says so in one line and exits with 3."""
    result = run("quarantine", *arguments, "--server", "127.0.0.1:1")

    assert (result.returncode, result.stdout, len(result.stderr.splitlines())) == (3, "", 1)


def test_a_body_that_brought_an_event(shared: Session) -> None:
    """`payload` prints the body that brought the event at a position, byte by byte."""
    command = [sys.executable, "-m", "msgstate_server", "payload", "1"]
    printed = subprocess.run(
        command, capture_output=True, check=True, env=environment(MSGSTATE_SERVER=shared.server.grpc)
    )

    assert (printed.stdout, printed.stderr) == (HALF, b"")


def test_an_event_without_a_body(shared: Session) -> None:
    """An event that came by gRPC has no body: exit code 1. Where no server answers it is 3."""
    shared.publish(event("own", "a@b.example", "SENT"))

    for position in ("2", "99"):
        result = shared.call("payload", position)
        assert (result.returncode, result.stdout) == (1, "")
        assert result.stderr.startswith("msgstate: PAYLOAD_NOT_FOUND: ")
    assert run("payload", "1", "--server", "127.0.0.1:1").returncode == 3
