import re

import pytest

from msgstate_server.domain.events import EventType
from msgstate_server.domain.lifecycle import EVIDENCE_OF
from msgstate_server.domain.states import NEEDS_ATTENTION, Evidence
from tests.docs.pages import ROOT, blocks, prose

PAGE = ROOT / "docs" / "concepts.md"


def test_the_table_of_evidence_is_that_of_the_machine() -> None:
    """The table in docs/concepts.md says what each type of event is evidence of, and ranks it, as the machine does."""
    table = re.findall(r"^\| `([A-Z_]+)` \| (\w+) \| \S.* \|$", PAGE.read_text(), re.MULTILINE)
    ranks = [evidence.name.lower() for evidence in list(Evidence)[1:]]

    assert table == [(kind.name, EVIDENCE_OF[kind].name.lower()) for kind in EventType if kind in EVIDENCE_OF]
    assert f"\n{' < '.join(ranks)}\n" in PAGE.read_text()


@pytest.mark.parametrize("page", ["README.md", "docs/concepts.md"])
def test_the_order_of_attention_is_that_of_the_code(page: str) -> None:
    """Where a page says which recipient's state is the message's, it names the states in the order of the code."""
    text = " ".join(prose(ROOT / page).split())

    assert f"the first of {', '.join(f'`{state.name}`' for state in NEEDS_ATTENTION)} that any" in text


def test_the_recipe_is_the_one_that_is_tested() -> None:
    """The program on the page is the file in docs/examples, word for word."""
    (shown,) = [block.text for block in blocks(PAGE) if block.named("file") == "stop_sending.py"]

    assert (ROOT / "docs" / "examples" / "stop_sending.py").read_text() == shown
