import json
import re
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from msgstate_server.domain.events import Event, EventType, Reason
from msgstate_server.domain.lifecycle import NEXT
from msgstate_server.domain.states import Evidence, State
from msgstate_server.webhooks.providers import PROVIDERS
from tests.docs.pages import ROOT, blocks

PAGE = ROOT / "README.md"
README = blocks(PAGE)
CURRENT = PAGE.read_text().partition("| Emailit | event type |")[2].partition("\n\n")[0]
"""The table of Emailit's current version, whose rows may have several words."""
# The first cell is a word in code, the second starts with a type in code.
ROWS = re.findall(r"^\| `([\w.]+)` \| `([A-Z_]+)`(.*) \|$", PAGE.read_text().replace(CURRENT, ""), re.MULTILINE)


def test_every_make_target_exists() -> None:
    """Each `make` command of the README is a documented target."""
    documented = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    lines = [line for block in README if block.language == "sh" for line in block.text.splitlines()]
    named = [line.split()[1] for line in lines if line.startswith("make ")]

    assert named == ["demo", "test"]
    assert set(named) <= set(documented)


def test_the_ranks_are_those_of_the_machine() -> None:
    """The table of the lifecycle has each state of the machine in its rank, what it shows as, and its events."""
    own = {kind: NEXT[Evidence.NONE][kind][False] for kind in EventType if kind is not EventType.UNSPECIFIED}
    finality = {Evidence.ERRORED: ", provisional", Evidence.FAILED: ", final"}
    rows = [
        f"| {int(evidence)} | {evidence.name.lower()} | `{evidence.state.name}`{finality.get(evidence, '')} | "
        + ", ".join(f"`{kind.name}`" for kind, reached in own.items() if reached is evidence)
        + " |"
        for evidence in list(Evidence)[1:]
    ]
    assert re.findall(r"^\| \d .*", (ROOT / "README.md").read_text(), re.MULTILINE) == rows


def test_emailits_current_words_become_what_the_table_says() -> None:
    """Each row of the table of Emailit's current version is what its module makes of the words."""
    rows = re.findall(r"^\| (`email.+) \| `(\w+)` \|", CURRENT, re.MULTILINE)
    for words, expected in rows:
        for word in re.findall(r"`([a-z.]+)`", words):
            report = {"object": "email", "id": "m1", "to": "a@b.example"}
            body = json.dumps([{"event_id": "1", "type": word, "data": {"object": report}}])
            (found,) = PROVIDERS["emailit"].read(body.encode(), 0).events
            assert found.event.type is EventType[expected], word
    assert len(rows) == 10


def test_the_picture_of_the_flow_can_be_drawn() -> None:
    """docs/flow.svg is well formed, and names what the README names: the providers and every state."""
    words = " ".join(ET.parse(ROOT / "docs" / "flow.svg").getroot().itertext())  # noqa: S314  (our own file)

    assert [name for name in ("CloudMailin", "Emailit") if name not in words] == []
    assert [state.name for state in list(State)[1:] if state.name.lower() not in words] == []


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
