import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.cli_session import Session, event, serving
from tests.acceptance.in_process import run
from tests.acceptance.terminal import run_in_terminal, widest

ROW = re.compile(r"(\S+Z) +(\S+) +(\S+) +(\S+) +(.+)")
MANY = 120


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A server that knows of a few messages and of a campaign."""
    for session in serving(tmp_path_factory.mktemp("list")):
        session.publish(
            event("order", "ada@b.example", "ACCEPTED", aliases=["order-alias"]),
            event("order", "ada@b.example", "OPENED"),
            event(
                "order", "alan@b.example", "BOUNCED", reason="REASON_MAILBOX_FULL", smtpCode=552, detail="full\x1b[2J"
            ),
            event("bill", "ada@b.example", "COMPLAINED", provider="other"),
            event(
                "offer",
                "tony@b.example",
                "SUPPRESSED",
                reason="REASON_SPAM",
                messageRef="order-7",
                metadata={"account": "eu", "tag": "welcome"},
            ),
        )
        session.publish(*(event("campaign", f"r{number:03}@b.example", "SENT") for number in range(MANY)))
        yield session


def positions(text: str) -> list[str]:
    return [f"{row['messageId']} {row['recipient'].partition('@')[0]}" for row in map(json.loads, text.splitlines())]


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (("--state", "failed"), ["order alan"]),
        (("--state", "FAILED", "--state", "SUPPRESSED"), ["offer tony", "order alan"]),
        (("--provider", "other"), ["bill ada"]),
        (("--message-id", "order"), ["order alan", "order ada"]),
        (("--recipient", "ada@b.example"), ["bill ada", "order ada"]),
        (("--recipient", "ada@b.example", "--state", "ENGAGED"), ["order ada"]),
        (("--message-id", "order", "--updated-after", "2001-01-01T00:00:00Z"), ["order alan", "order ada"]),
        (("--updated-before", "2001-01-01"), []),
        (("--state", "state_failed"), ["order alan"]),
        (("--message-id", "order-alias"), ["order alan", "order ada"]),
        (("--account", "eu"), ["offer tony"]),
        (("--metadata", "tag=welcome"), ["offer tony"]),
        (("--ref", "order-7"), ["offer tony"]),
        (
            ("--message-id", "order", "--created-after", "2001-01-01", "--state-changed-before", "2999-01-01"),
            ["order alan", "order ada"],
        ),
        (("--stuck", "9999d"), []),
        (("--updated-after", "2999-01-01T00:00:00+02:00"), []),
    ],
    ids=" ".join,
)
def test_filters(session: Session, chosen: tuple[str, ...], expected: list[str]) -> None:
    """`list` passes every filter on, and prints what matches as JSON lines, the newest first."""
    result = session.call("list", *chosen, "--json")

    assert (result.returncode, result.stderr) == (0, "")
    assert positions(result.stdout) == expected


def test_rows_are_aligned_in_a_pipe(session: Session) -> None:
    """In a pipe each status is one line of five columns, whole, and what a provider told is printed as text."""
    lines = session.call("list", "--message-id", "order").stdout.splitlines()

    rows = [found.groups() for found in map(ROW.fullmatch, lines) if found]
    assert [row[1:] for row in rows] == [
        ("FAILED", "own/order", "alan@b.example", 'final; mailbox full 552 "full\ufffd[2J"'),
        ("ENGAGED", "own/order", "ada@b.example", "opens 1"),
    ]
    assert len({line.index("own/order") for line in lines}) == 1


def test_the_next_page_is_a_command(session: Session) -> None:
    """Where there is more, the command for it stands on standard error; followed to the end, all come exactly once."""
    found: list[str] = []
    arguments = ["list", "--message-id", "campaign", "--limit", "50", "--json"]
    for expected in (50, 50, 20):
        result = session.call(*arguments)
        found += positions(result.stdout)
        assert len(result.stdout.splitlines()) == expected
        if not result.stderr:
            break
        said, _, command = result.stderr.partition(": ")
        assert said == "next page"
        # What stands before the words is how this program was called.
        words = shlex.split(command)
        arguments = words[words.index("list") :]
        assert arguments[-2] == "--page"

    assert found == [f"campaign r{number:03}" for number in reversed(range(MANY))]


def test_all_of_them(session: Session) -> None:
    """`--all` prints everything, and no next page."""
    result = session.call("list", "--all", "--json")

    assert (len(positions(result.stdout)), result.stderr) == (MANY + 4, "")


def test_the_default_limit(session: Session) -> None:
    """Without --limit it is fifty, and the next page's command does not repeat what is the default."""
    result = session.call("list")

    assert len(result.stdout.splitlines()) == 50
    assert "--limit" not in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [("--page", "nonsense"), ("--updated-after", "yesterday"), ("--state", "lost"), ("--limit", "0")],
    ids=" ".join,
)
def test_what_is_no_value_is_wrong_usage(session: Session, arguments: tuple[str, ...]) -> None:
    """A token, a time, a state or a limit that is none exits with 2 and names it."""
    result = session.call("list", *arguments)

    assert (result.returncode, result.stdout) == (2, "")
    assert arguments[0].removeprefix("--").replace("-", "_") in result.stderr.replace("-", "_")


@pytest.mark.parametrize(
    ("columns", "headings"),
    [
        (80, ["first seen", "state", "message, recipient, notes"]),
        (120, ["first seen", "state", "message", "recipient", "notes"]),
    ],
)
def test_a_terminal_gets_a_table_that_fits(session: Session, columns: int, headings: list[str]) -> None:
    """In a terminal the list is a table with headings, in colours; in a narrow one the last columns are one."""
    server = session.server.grpc
    shown = run_in_terminal("list", "--message-id", "order", columns=columns, NO_COLOR="", MSGSTATE_SERVER=server)

    plain = shown.plain()
    assert shown.code == 0
    assert headings in [re.split(" {2,}", line.strip()) for line in plain.splitlines()]
    assert 'final; mailbox full 552 "full\ufffd[2J"' in " ".join(plain.split())
    assert widest(plain) <= columns
    assert "\x1b[1;31mFAILED" in shown.text
    assert "\x1b[2J" not in shown.text


def test_no_colour_is_respected(session: Session) -> None:
    """Where NO_COLOR is set the terminal gets the table without colours."""
    shown = run_in_terminal("list", "--message-id", "order", MSGSTATE_SERVER=session.server.grpc)

    assert "FAILED" in shown.text
    assert "\x1b[3" not in shown.text


def test_an_empty_list_prints_nothing(session: Session) -> None:
    """Where nothing matches nothing is printed into a pipe, and the exit code is 0."""
    result = session.call("list", "--message-id", "nope")

    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_a_server_that_is_away(tmp_path: Path) -> None:
    """Where no server answers `list` says so in one line and exits with 3."""
    result = run("list", "--server", "127.0.0.1:1", folder=tmp_path)

    assert (result.returncode, len(result.stderr.splitlines())) == (3, 1)
