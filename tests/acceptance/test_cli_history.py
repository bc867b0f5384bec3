import asyncio
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from msgstate_server.store.sqlite import SqliteStore
from tests.acceptance.cli_session import Session, event, kind, serving
from tests.acceptance.in_process import run
from tests.acceptance.terminal import run_in_terminal, widest
from tests.builders import append
from tests.builders import event as an_event

ROW = re.compile(r"(\S+Z)  #(\d+) +(\S+) +(no change|\S+) ([→·]) (\S+) +(.+)")
LONG = "x" * 300


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A server that was told of a message by its provider, in bad order."""
    for session in serving(tmp_path_factory.mktemp("history")):
        session.cloudmailin(kind("delivery", "order", "ada@b.example"))
        session.cloudmailin(kind("dispatch", "order", "ada@b.example"))
        session.cloudmailin(kind("auto_reply", "order", "ada@b.example"))
        session.cloudmailin(kind("click", "order", "ada@b.example", details={"url": f"https://c.example/{LONG}"}))
        session.cloudmailin(kind("error", "order", "alan@b.example"))
        session.cloudmailin(kind("bounce", "order", "alan@b.example", details="550 5.1.1 No such \x1b[31muser"))
        session.cloudmailin(kind("error", "order", "alan@b.example", details="again"))
        session.publish(event("aged", "a@b.example", "SENT", occurredTime="2020-02-03T04:05:06Z", aliases=["A-1"]))
        yield session


def test_a_history_reads_like_a_timeline(session: Session) -> None:
    """Each event is one line: its place, recipient, what it did to the state, the provider's own word and reason."""
    result = session.call("history", "order")

    found = [match.groups() for match in map(ROW.fullmatch, result.stdout.splitlines()) if match]
    assert [row[1:] for row in found] == [
        ("1", "ada@b.example", "-", "→", "DELIVERED", "delivered (delivery)"),
        ("2", "ada@b.example", "no change", "·", "DELIVERED", "sent (dispatch) (weaker: already DELIVERED)"),
        ("3", "ada@b.example", "confirmed", "·", "DELIVERED", "auto replied (auto_reply)"),
        ("4", "ada@b.example", "DELIVERED", "→", "ENGAGED", f"clicked (click): https://c.example/{LONG[:81]}…"),
        ("5", "alan@b.example", "-", "→", "FAILED", "errored (error): provider error (provisional)"),
        ("6", "alan@b.example", "FAILED", "→", "FAILED",
         'bounced (bounce): invalid address "550 5.1.1 No such \ufffd[31muser"'),
        ("7", "alan@b.example", "no change", "·", "FAILED",
         'errored (error): provider error "again" (weaker: already FAILED)'),
    ]  # fmt: skip
    assert (result.returncode, result.stderr) == (0, "")


def test_one_recipient_and_pages(session: Session) -> None:
    """`--recipient` chooses, `--limit` cuts, and the command for the next page goes on right after."""
    first = session.call("history", "order", "--recipient", "alan@b.example", "--limit", "2", "--json")
    token = first.stderr.split("--page ")[1].split()[0]
    second = session.call(
        "history", "order", "--recipient", "alan@b.example", "--limit", "2", "--json", "--page", token
    )

    lines = [*first.stdout.splitlines(), *second.stdout.splitlines()]
    assert [json.loads(line)["position"] for line in lines] == ["5", "6", "7"]
    assert "--recipient alan@b.example --limit 2 --json --page" in first.stderr
    assert second.stderr == ""
    everything = session.call("history", "order", "--all", "--json")
    assert len(everything.stdout.splitlines()) == 7


def test_an_id_that_looks_like_an_option(session: Session) -> None:
    """The command for the next page works for any message id."""
    session.publish(event("-x", "a@b.example", "SENT"), event("-x", "a@b.example", "OPENED"))

    first = session.call("history", "--limit", "1", "--json", "--", "-x")
    words = shlex.split(first.stderr.partition(": ")[2])
    second = session.call(*words[words.index("history") :])

    assert [json.loads(result.stdout)["event"]["type"] for result in (first, second)] == [
        "EVENT_TYPE_SENT",
        "EVENT_TYPE_OPENED",
    ]


async def write_compacted(database: Path) -> None:
    """A store in which one recipient's events are gone from the log, and another's are not."""
    store = await SqliteStore.open(database)
    await append(store, an_event(recipient="a@b.example"), an_event(recipient="b@b.example"))
    await store.compact(store.head.commit_time + 1, 0, 100)
    await append(store, an_event(recipient="b@b.example", event_id="late"), an_event(recipient="c@b.example"))
    await store.close()


def test_events_that_are_gone(tmp_path: Path) -> None:
    """Beside what is left, standard error says what is not; `status` says it of each recipient, and JSON has it."""
    asyncio.run(write_compacted(tmp_path / "msgstate.db"))
    for session in serving(tmp_path):
        history, status, as_json = (
            session.call(*words) for words in (("history", "m"), ("status", "m"), ("history", "m", "--json"))
        )
        cut = session.call("history", "m", "--recipient", "c@b.example")

    assert re.findall(r"#(\d)", history.stdout) == ["3", "4"]
    told = re.fullmatch(r"events before (\S+Z) are no longer kept of 2 of 3 recipients: see .*\n", history.stderr)
    assert told
    assert status.stdout.count(f"    events before {told[1]} are no longer kept\n") == 2
    assert (as_json.stderr, cut.stderr) == ("", "")


def test_an_event_of_long_ago_says_so(session: Session) -> None:
    """Where the provider's time is not the one at which the event came, the line has both; an alias finds it too."""
    line = session.call("history", "A-1", "--provider", "own").stdout

    assert line.endswith("sent, occurred 2020-02-03T04:05:06Z\n")


@pytest.mark.parametrize("columns", [80, 120])
def test_a_timeline_fits_the_terminal(session: Session, columns: int) -> None:
    """In a terminal message and day stand above, no line is wider than the terminal, and nothing of a cause is lost."""
    shown = run_in_terminal("history", "order", columns=columns, NO_COLOR="", MSGSTATE_SERVER=session.server.grpc)

    first, *lines = shown.plain().splitlines()
    assert shown.code == 0
    assert re.fullmatch(r"cloudmailin/order  \d{4}-\d\d-\d\d UTC", first)
    assert widest(shown.plain()) <= columns
    assert all(re.match(r"\d\d:\d\d:\d\d  #\d|          ", line) for line in lines)
    assert 'invalid address "550 5.1.1 No such \ufffd[31muser"' in " ".join(" ".join(lines).split())
    assert "\x1b[31muser" not in shown.text
    assert "\x1b[31m\x1b[1mFAILED" in shown.text


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("nope",), 1, "MESSAGE_NOT_FOUND"),
        (("order", "--recipient", "nobody@b.example"), 1, "NOT_FOUND"),
        (("",), 2, "MESSAGE_ID"),
        (("order", "--page", "nonsense"), 2, "page_token"),
    ],
)
def test_errors(session: Session, arguments: tuple[str, ...], code: int, said: str) -> None:
    """A message or recipient that nobody knows exits with 1, a request that breaks a rule with 2."""
    result = session.call("history", *arguments)

    assert (result.returncode, result.stdout) == (code, "")
    assert said in result.stderr


def test_a_server_that_is_away(tmp_path: Path) -> None:
    """Where no server answers `history` says so in one line and exits with 3."""
    result = run("history", "order", "--server", "127.0.0.1:1", folder=tmp_path)

    assert (result.returncode, len(result.stderr.splitlines())) == (3, 1)
