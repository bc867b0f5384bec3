import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pysqlite3 import dbapi2

from tests.acceptance.in_process import run
from tests.acceptance.server_process import ServerProcess, environment, wait_until, write_config
from tests.acceptance.terminal import run_in_terminal, widest

TRANSITION = re.compile(r"(\S+)  #(\d+) +(\S+) +(\S+) +(\S+) → (\S+) +(.+)")


def event(message_id: str, recipient: str, event_type: str, **fields: object) -> str:
    """One line of JSON, as `publish` takes it."""
    named = {"provider": "own", "messageId": message_id, "recipient": recipient, "type": f"EVENT_TYPE_{event_type}"}
    return json.dumps(named | fields) + "\n"


ORDER = (
    event("order", "ada@b.example", "ACCEPTED", aliases=["A-1"])
    + event("order", "ada@b.example", "OPENED")
    + event("order", "alan@b.example", "BOUNCED", reason="REASON_MAILBOX_FULL", smtpCode=552, detail="full")
    + event("offer", "tony@b.example", "SUPPRESSED", reason="REASON_SPAM")
    + event("offer", "ken@b.example", "ERRORED")
    + event("bill", "zoe@b.example", "SENT", provider="other")
    + event("bill", "zoe@b.example", "DELIVERED", provider="other")
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that was told of an order, an offer and a bill."""
    folder = tmp_path_factory.mktemp("calls")
    server = ServerProcess(folder / "msgstate.db", write_config(folder / "server.toml", folder / "msgstate.db"))
    server.start()
    assert run("publish", "-", stdin=ORDER, MSGSTATE_SERVER=server.grpc).returncode == 0
    yield server
    server.kill()


def call(server: ServerProcess, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return run(*arguments, stdin=stdin, MSGSTATE_SERVER=server.grpc)


@pytest.mark.parametrize("form", ["127.0.0.1:1,{}", "{}, 127.0.0.1:1", "dns:///{}"])
def test_several_servers_may_be_named(server: ServerProcess, form: str) -> None:
    """`--server` and its variable take several addresses, also in the words of gRPC; who is away is passed over."""
    named = form.format(server.grpc)

    for result in (run("status", "order", MSGSTATE_SERVER=named), run("status", "order", "--server", named)):
        assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("message_id", ["order", "<order>", "A-1"])
def test_status_shows_state_recipients_times_and_reasons(server: ServerProcess, message_id: str) -> None:
    """`status` takes an id or an alias and tells the message's state, and of each recipient state, times and why."""
    result = call(server, "status", message_id)

    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines()[:4] == [
        "message     own/order",
        "state       FAILED",
        "recipients  2 (1 ENGAGED, 1 FAILED)",
        "also known  A-1",
    ]
    ada, alan = result.stdout.split("\n\n")[1:]
    assert re.search(r"^ada@b.example  ENGAGED\n    queued       \S+Z\n    engaged      \S+Z\n", ada)
    assert "opens 1, clicks 0" in ada
    assert re.search(r"^alan@b.example  FAILED\n    failed       \S+Z\n", alan)
    assert 'failed for good: mailbox full 552 "full"' in alan


def test_status_tells_suppressed_and_provisional(server: ServerProcess) -> None:
    """`status` says why a recipient is suppressed, and that an error may still be overturned."""
    shown = call(server, "status", "offer", "--provider", "own").stdout

    assert "suppressed: spam" in shown
    assert "failed provisionally" in shown


@pytest.mark.parametrize("columns", [80, 120])
def test_status_in_a_terminal(server: ServerProcess, columns: int) -> None:
    """In a terminal states are in colours, and recipients in a table where it is wide; nothing is wider than it."""
    shown = run_in_terminal("status", "order", columns=columns, NO_COLOR="", MSGSTATE_SERVER=server.grpc)
    plain = run_in_terminal("status", "order", columns=columns, MSGSTATE_SERVER=server.grpc)

    headings = ["recipient", "state", "times", "facts"]
    assert shown.code == 0
    assert (headings in [line.split() for line in shown.plain().splitlines()]) is (columns == 120)
    assert widest(shown.plain()) <= columns
    assert "\x1b[31m\x1b[1mFAILED" in shown.text
    assert "\x1b[3" not in plain.text


def test_status_of_one_recipient_as_json(server: ServerProcess) -> None:
    """`status --json` prints the server's answer as one line, with the token that a watch starts from."""
    result = call(server, "status", "order", "--recipient", "ada@b.example", "--json")

    answer = json.loads(result.stdout)
    assert len(result.stdout.splitlines()) == 1
    assert answer["status"]["state"] == "STATE_ENGAGED"
    assert [recipient["recipient"] for recipient in answer["status"]["recipients"]] == ["ada@b.example"]
    assert answer["resumeToken"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("status", "nope"), 1, ["msgstate: MESSAGE_NOT_FOUND: no message has the id or alias 'nope'"]),
        (("status", "<>"), 2, ["msgstate: INVALID_REQUEST: fields break rules:", "  message_id: must not be empty"]),
        (
            ("watch", "--from", "bogus-token-of-nothing"),
            2,
            ["msgstate: INVALID_REQUEST: fields break rules:", "  resume_token: must be"],
        ),
        (("publish", "missing.jsonl"), 2, ["Usage:", "Try", "", "Error:"]),
        (("status", ""), 2, ["Usage:", "Try", "", "Error: Give a MESSAGE_ID or --ref, and not both."]),
        (("watch", "--to-state", "lost"), 2, ["Usage:", "Try", "", "Error:"]),
    ],
)
def test_errors_are_told_in_lines(
    server: ServerProcess, arguments: tuple[str, ...], code: int, said: list[str]
) -> None:
    """What a server refuses is its reason and message in one line, each bad field in a line of its own."""
    result = call(server, *arguments)

    assert (result.returncode, result.stdout) == (code, "")
    found = result.stderr.splitlines()
    assert len(found) == len(said)
    assert all(line.startswith(start) for line, start in zip(found, said, strict=True))


def test_watch_prints_a_line_per_transition_and_how_to_resume(server: ServerProcess) -> None:
    """`watch --max` ends after so many transitions, and what it prints to resume goes on right after them."""
    first = call(server, "watch", "--from", "earliest", "--max", "2")
    token = first.stderr.split("--from ")[1].split()[0]
    second = call(server, "watch", "--from", token, "--max", "3")

    found = [TRANSITION.fullmatch(line) for line in (first.stdout + second.stdout).splitlines()]
    assert [match.groups()[1:] for match in found if match] == [
        ("1", "own/order", "ada@b.example", "-", "QUEUED", "accepted"),
        ("2", "own/order", "ada@b.example", "QUEUED", "ENGAGED", "opened"),
        ("3", "own/order", "alan@b.example", "-", "FAILED", 'bounced: mailbox full 552 "full"'),
        ("4", "own/offer", "tony@b.example", "-", "SUPPRESSED", "suppressed: spam"),
        ("5", "own/offer", "ken@b.example", "-", "FAILED", "errored (provisional)"),
    ]
    assert (first.returncode, second.returncode) == (0, 0)


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (("--to-state", "failed"), ["3", "5"]),
        (("--message-id", "offer"), ["4", "5"]),
        (("--recipient", "alan@b.example", "--recipient", "tony@b.example"), ["3", "4"]),
        (("--to-state", "ENGAGED", "--to-state", "SUPPRESSED"), ["2", "4"]),
        (("--provider", "other"), ["6", "7"]),
        (("--from", "2001-01-01T00:00:00Z"), ["1", "2"]),
    ],
    ids=" ".join,
)
def test_watch_filters(server: ServerProcess, chosen: tuple[str, ...], expected: list[str]) -> None:
    """`watch` passes its filters and its start on, and prints transitions as JSON lines."""
    result = call(server, "watch", "--from", "earliest", *chosen, "--max", "2", "--json")

    assert [json.loads(line)["position"] for line in result.stdout.splitlines()] == expected
    assert all(word in result.stderr for word in chosen[2:] if word.startswith("--"))


def test_an_interrupted_watch_ends_quietly(server: ServerProcess, tmp_path: Path) -> None:
    """Ctrl-C ends a watch with 130, and the only thing it says is how to resume."""
    output, errors = tmp_path / "out", tmp_path / "err"
    wanted = ["--from", "earliest", "--message-id", "order", "--message-id", "offer", "--server", server.grpc]
    command = [sys.executable, "-m", "msgstate_server", "watch", *wanted]
    with output.open("wb") as stdout, errors.open("wb") as stderr:
        watch = subprocess.Popen(command, stdout=stdout, stderr=stderr, env=environment())
    try:
        wait_until(lambda: output.read_text().count("\n") == 5, 10, "five transitions")
        watch.send_signal(signal.SIGINT)

        assert watch.wait(10) == 130
    finally:
        watch.kill()
        watch.wait()
    said = r"resume with: \S+ -m msgstate_server watch --from \S+ --server \S+( --message-id o\w+){2}\n"
    assert re.fullmatch(said, errors.read_text())


def test_publish_refuses_bad_lines_and_goes_on(server: ServerProcess) -> None:
    """A bad line is named by its number with what is wrong, the lines around it are published, the exit code is 1."""
    lines = [
        event("lines", "a@b.example", "SENT"),
        "\n",
        "nonsense\n",
        "[]\n",
        event("lines", "", "SENT"),
        event("lines", "b@b.example", "SENT", colour="red"),
        event("lines", "c@b.example", "SENT", detail="x" * 20_000),
        event("lines", "d@b.example", "SENT"),
        event("lines", "a@b.example", "SENT"),
    ]

    result = call(server, "publish", "-", stdin="".join(lines))

    *refused, counts = result.stdout.splitlines()
    assert result.returncode == 1
    assert counts == "2 accepted, 1 duplicates, 5 refused"
    assert [line.split(": ")[:2] for line in refused] == [
        ["line 3", "is not an Event in JSON"],
        ["line 4", "must be one JSON object, an Event"],
        ["line 5", "recipient"],
        ["line 6", "is not an Event in JSON"],
        ["line 7", "an event must be at most 16384 bytes; found 20031"],
    ]


@pytest.mark.parametrize("line", ['{"type": 1e999}', '{"\\ud800": 1}', '{"messageId": "\\ud800"}', '{"a":' * 5_000])
def test_publish_refuses_a_line_that_json_allows_and_no_event_holds(server: ServerProcess, line: str) -> None:
    """A number without end, half a character and a value without end cost their own line alone."""
    good = event("odd-lines", "a@b.example", "SENT")

    result = call(server, "publish", "-", stdin=f"{line}\n{good}")

    assert (result.returncode, result.stderr) == (1, "")
    assert result.stdout.startswith("line 1: is not an Event in JSON")
    assert result.stdout.endswith(" 1 refused\n")


def test_publish_reads_a_file_that_starts_with_a_mark_of_byte_order(server: ServerProcess, tmp_path: Path) -> None:
    """What some editors put before the first line is no part of it."""
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\xef\xbb\xbf" + event("marked", "a@b.example", "SENT").encode())

    assert call(server, "publish", str(file)).stdout == "1 accepted, 0 duplicates, 0 refused\n"


@pytest.mark.parametrize("length", [0, 2_000])
def test_publish_cuts_batches_by_number_and_size(server: ServerProcess, length: int) -> None:
    """More lines and more bytes than one request may hold are published all the same, and safely a second time."""
    long = "x" * length
    many = "".join(
        event(f"many-{length}-{number}", "a@b.example", "SENT", detail=long, url=long) for number in range(1_100)
    )

    first, second = (call(server, "publish", "-", stdin=many) for _ in range(2))

    assert (first.returncode, first.stdout) == (0, "1100 accepted, 0 duplicates, 0 refused\n")
    assert (second.returncode, second.stdout) == (0, "0 accepted, 1100 duplicates, 0 refused\n")


def test_publish_as_json_tells_what_became_of_each_line(server: ServerProcess, tmp_path: Path) -> None:
    """`publish --json` prints one result per line of the file, and the counts on standard error."""
    file = tmp_path / "events.jsonl"
    file.write_text(event("json", "a@b.example", "SENT") + "nonsense\n")

    result = call(server, "publish", str(file), "--json")

    accepted, refused = map(json.loads, result.stdout.splitlines())
    assert (accepted["line"], accepted["disposition"]) == (1, "DISPOSITION_ACCEPTED")
    assert (refused["line"], refused["disposition"]) == (2, "DISPOSITION_REFUSED")
    assert result.stderr == "1 accepted, 0 duplicates, 1 refused\n"


def test_check_beside_a_running_server(server: ServerProcess) -> None:
    """`check` proves a live store, and says as JSON how much it looked at."""
    plain = run("check", "--store", f"sqlite:///{server.store}")
    as_json = run("check", "--json", MSGSTATE_STORE=f"sqlite:///{server.store}")

    assert (plain.returncode, plain.stderr) == (0, "")
    assert re.fullmatch(r"checked \d+ recipients and \d+ events: everything agrees\n", plain.stdout)
    assert json.loads(as_json.stdout)["findings"] == 0


def test_check_names_what_does_not_agree(tmp_path: Path) -> None:
    """A status that its events do not make is printed, and the exit code is 1."""
    store = tmp_path / "msgstate.db"
    server = ServerProcess(store, write_config(tmp_path / "server.toml", store))
    server.start()
    call(server, "publish", "-", stdin=ORDER)
    server.terminate()
    with closing(dbapi2.connect(str(store), isolation_level=None)) as connection:
        connection.execute("UPDATE recipient_status SET version = 7 WHERE id = 1")

    plain = run("check", "--store", f"sqlite:///{store}")
    as_json = run("check", "--store", f"sqlite:///{store}", "--json")

    assert (plain.returncode, as_json.returncode) == (1, 1)
    finding, summary = plain.stdout.splitlines()
    assert "version is 7, its events make it 2" in finding
    assert summary.endswith("1 do not agree")
    assert [sorted(json.loads(line)) for line in as_json.stdout.splitlines()] == [
        ["what", "where"],
        ["events", "findings", "recipients"],
    ]


@pytest.mark.parametrize(
    ("url", "code"), [("sqlite:///missing.db", 1), ("sqlite:///empty.db", 1), ("sqlite:///", 2), ("nonsense", 2)]
)
def test_check_of_a_store_that_is_none_is_one_line(url: str, code: int, tmp_path: Path) -> None:
    """A store that cannot be opened is one line with the mend, and exit code 1; no store's URL is wrong usage."""
    (tmp_path / "empty.db").touch()
    result = run("check", "--store", url, folder=tmp_path)

    assert (result.returncode, result.stdout) == (code, "")
    assert len(result.stderr.splitlines()) == 1


def test_an_argument_that_is_not_utf_8_is_wrong_usage() -> None:
    """Bytes that are no text are named in one line, whatever command they were given to."""
    for command in ("status", "watch --from"):
        result = run(*command.split(), "\udcff")
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr == "msgstate: the argument '\\udcff' is not UTF-8\n"
