import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from msgstate_server.domain.diagram import mermaid
from msgstate_server.domain.events import Event, EventType, Reason
from msgstate_server.webhooks.providers import PROVIDERS
from tests.acceptance.server_process import READY, RUN_SECONDS, environment, wait_until

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = [(match[1], match[2]) for match in re.finditer(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)]
# The first cell is a word in code, the second starts with a type in code.
ROWS = re.findall(r"^\| `([\w.]+)` \| `([A-Z_]+)`(.*) \|$", README, re.MULTILINE)


def blocks(language: str) -> list[str]:
    return [text for found, text in BLOCKS if found == language]


class Reader:
    """Does what the README says, in a folder of its own, at free ports instead of those in the text."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        command = folder / ".venv" / "bin" / "msgstate"
        command.parent.mkdir(parents=True)
        command.write_text(f'#!/bin/sh\nexec {sys.executable} -m msgstate_server "$@"\n')
        command.chmod(0o755)
        self._variables = environment(MSGSTATE_GRPC="127.0.0.1:0", MSGSTATE_HTTP="127.0.0.1:0")
        self._addresses: dict[str, str] = {}
        self._server: subprocess.Popen[bytes] | None = None

    def serve(self, text: str) -> None:
        """Run the block as the server, and wait until it is ready."""
        output = self.folder / "serve.out"
        with output.open("wb") as stdout:
            self._server = subprocess.Popen(
                ["sh", "-c", f"exec {text}"], stdout=stdout, cwd=self.folder, env=self._variables
            )
        wait_until(lambda: READY.search(output.read_text()) is not None, RUN_SECONDS, "ready")
        found = READY.search(output.read_text())
        assert found
        self._addresses = {"127.0.0.1:50051": found[1], "127.0.0.1:8080": found[2]}
        self._variables["MSGSTATE_SERVER"] = found[1]

    def run(self, program: list[str], text: str) -> str:
        """Run the block to its end, which must be a good one, and give what it printed."""
        for written, actual in self._addresses.items():
            text = text.replace(written, actual)
        result = subprocess.run(
            [*program, text],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
            env=self._variables,
            timeout=RUN_SECONDS,
        )
        assert result.returncode == 0, result
        return result.stdout

    def stop(self) -> None:
        if self._server is not None:
            self._server.kill()
            self._server.wait()


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(tmp_path)
    yield reader
    reader.stop()


def test_every_block_does_what_it_says(reader: Reader) -> None:
    """Who follows the README from top to bottom gets a status and a transition, from the shell and from Python."""
    printed: list[str] = []
    for language, text in BLOCKS:
        match language:
            case "toml":
                (reader.folder / "msgstate.toml").write_text(text)
            case "sh" if "msgstate serve" in text:
                reader.serve(text)
            case "sh" if not text.startswith("make "):
                printed.append(reader.run(["sh", "-ec"], text))
            case "python":
                printed.append(reader.run([sys.executable, "-c"], text))

    shell, python = printed
    assert '"accepted":1' in shell
    assert "state       DELIVERED" in shell
    assert "- → DELIVERED   delivered" in shell
    assert python.splitlines() == ["my-first STATE_DELIVERED", "1 ada@example.com STATE_DELIVERED"]


def test_every_make_target_exists() -> None:
    """Each `make` command of the README is a documented target."""
    documented = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = [line.split()[1] for text in blocks("sh") for line in text.splitlines() if line.startswith("make ")]

    assert named == ["demo", "test"]
    assert set(named) <= set(documented)


def test_the_picture_is_drawn_from_the_machine() -> None:
    """The lifecycle in the README is what `msgstate diagram` prints."""
    assert blocks("mermaid") == [mermaid()]


def test_every_link_leads_somewhere() -> None:
    """Each relative link of the README names a file or a folder of the repository."""
    links = re.findall(r"\]\(([^)#:]+)\)", README)

    assert [link for link in links if not (ROOT / link).exists()] == []
    assert len(links) >= 4


def read(word: str, details: str = "") -> Event:
    """The one event that a provider's webhook with this word becomes."""
    if "." in word:
        email = {"message_id": "<m1>", "to": "a@b.example", "type": "outgoing"}
        body: dict[str, Any] = {"event_id": "1", "type": word, "object": {"email": email, "details": details}}
        provider = PROVIDERS["emailit"]
    else:
        body = {"events": [{"kind": word, "recipient": "a@b.example", "message_id": "m1"}]}
        provider = PROVIDERS["cloudmailin"]
    reading = provider.read(json.dumps(body).encode(), 0)
    assert (len(reading.events), reading.problems) == (1, [])
    return reading.events[0].event


@pytest.mark.parametrize(("word", "expected", "note"), ROWS, ids=[word for word, _, _ in ROWS])
def test_every_word_becomes_the_type_in_its_row(word: str, expected: str, note: str) -> None:
    """A webhook with the word becomes an event of the type, with the reason, that the README's table says."""
    event = read(word)

    assert event.type is EventType[expected]
    reason = re.match(r", ([a-z ]+)$", note)
    if reason:
        assert event.attributes.reason is Reason[reason[1].replace(" ", "_").upper()]


def test_a_held_email_whose_details_name_the_suppression_list_is_suppressed() -> None:
    """The table's one exception holds."""
    assert read("email.delivery.held", "on the suppression list").type is EventType.SUPPRESSED


def test_the_tables_have_every_documented_word() -> None:
    """The tables have a row for each word in the two providers' own documents."""
    seeds = ROOT / "tests" / "webhooks" / "seeds"
    cloudmailin = re.findall(r"^\| ([a-z_]+) \|", (seeds / "cloudmailin-status-events.txt").read_text(), re.MULTILINE)
    emailit = set(re.findall(r"email\.[a-z.]+[a-z]", (seeds / "emailit-event-types.txt").read_text()))

    assert [word for word, _, _ in ROWS if "." not in word] == cloudmailin
    assert {word for word, _, _ in ROWS if "." in word} == emailit
