"""What a server told has no power over the terminal in which a command prints it."""

import logging

import pytest

from msgstate import Page
from msgstate_server.cli import pages
from msgstate_server.cli.pages import Listing
from msgstate_server.cli.watch import OneLine

POWER = "a\x1b[2Jb\nc"
HARMLESS = "a\ufffd[2Jb c"


def test_a_token_of_a_next_page(capsys: pytest.CaptureFixture[str]) -> None:
    """The command for the next page shows a token without escapes."""
    found: list[Page[int]] = [Page([1], POWER, "")]

    assert list(pages.read(pages.Page(1, ""), Listing(("list",), [], False, "127.0.0.1:1"), lambda *_: found)) == [[1]]

    assert f"--page '{HARMLESS}'" in capsys.readouterr().err


def test_what_a_watch_says_of_its_server() -> None:
    """What the client logs while a watch runs is one line without escapes."""
    record = logging.LogRecord("msgstate", logging.WARNING, "", 0, "lost: %s", (POWER,), None)

    assert OneLine("msgstate: %(message)s").format(record) == f"msgstate: lost: {HARMLESS}"
