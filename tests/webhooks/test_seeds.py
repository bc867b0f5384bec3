"""The providers' own documents: their samples, and the page that says what becomes of every word and field."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.webhooks import test_cloudmailin, test_emailit_v1, test_emailit_v2
from tests.webhooks.samples import clicked, seed

PAGE = (Path(__file__).parents[2] / "docs" / "providers.md").read_text()
SAMPLES = {
    "cloudmailin-registration.json": ("cloudmailin-status-events.txt", "## CloudMailin"),
    "emailit-delivery.json": ("emailit-event-types.txt", "### First version"),
    "emailit-loaded.json": ("emailit-event-types.txt", "### First version"),
    "emailit-clicked.json": ("emailit-event-types.txt", "### First version"),
}


def section(heading: str) -> str:
    """The text under a heading, up to the next one of any level."""
    return re.split(r"^#+ ", PAGE.partition(f"{heading}\n")[2], flags=re.MULTILINE)[0]


def rows(heading: str) -> list[list[str]]:
    """The cells of every row of the tables under a heading."""
    lines = [line for line in section(heading).splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in lines]


def paths(value: Any, name: str = "") -> set[str]:
    """The path of every field that holds no other, as the page writes it."""
    if isinstance(value, dict):
        return {path for key, inner in value.items() for path in paths(inner, f"{name}.{key}".lstrip("."))}
    if isinstance(value, list):
        return {path for inner in value for path in paths(inner, f"{name}[]")}
    return {name}


@pytest.mark.parametrize(("sample", "document"), [(name, document) for name, (document, _) in SAMPLES.items()])
def test_a_sample_is_its_documents_byte_for_byte(sample: str, document: str) -> None:
    """Each sample is a part of the document that it was taken from."""
    assert seed(sample) in seed(document)


@pytest.mark.parametrize(("sample", "heading"), [(name, heading) for name, (_, heading) in SAMPLES.items()])
def test_every_field_of_the_samples_is_documented(sample: str, heading: str) -> None:
    """For every field the page says what it becomes, or why it is dropped."""
    body = json.loads(clicked() if "clicked" in sample else seed(sample))
    documented = {row[0].strip("`") for row in rows(heading) if len(row) == 2 and row[1]}

    assert paths(body) - documented == set()


@pytest.mark.parametrize(
    ("heading", "table"),
    [
        ("## CloudMailin", test_cloudmailin.KINDS),
        ("### First version", test_emailit_v1.TYPES),
        ("### Since February 2026", test_emailit_v2.TYPES),
    ],
)
def test_every_word_is_documented(heading: str, table: list[tuple[str, Any, Any]]) -> None:
    """The page's table is the tested one: the same words with the same types and reasons."""
    tested = {word: (event_type.name, reason.name) for word, event_type, reason in table if not unknown(word)}
    listed = {row[0].strip("`"): row[1:] for row in rows(heading) if len(row) == 3 and row[1] != "type"}

    assert listed.keys() == tested.keys()
    for word, (event_type, reason) in tested.items():
        assert re.split("[; ]", listed[word][0])[0] == event_type
        assert reason == "UNSPECIFIED" or reason in listed[word][1]


def unknown(word: str) -> bool:
    """Whether a test made the word up."""
    return word.endswith(("teleported", "framed"))
