import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, RUN, blocks, name, prose
from tests.docs.session import DATABASE, Session


@pytest.fixture
def session(page: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Session]:
    needs_database = any(DATABASE in block.text for block in blocks(page) if block.language == "sh")
    session = Session(tmp_path, request.getfixturevalue("postgres_dsn") if needs_database else "")
    yield session
    session.close()


# What the commands say of themselves is compared in tests/docs/test_cli_help.py.
HELD_ELSEWHERE = {("docs/cli.md", "text")}


@pytest.mark.parametrize("page", RUN, ids=name)
def test_every_block_does_what_the_page_says(page: Path, session: Session) -> None:
    """Who follows the page from top to bottom, in an empty folder, sees what it shows."""
    for block in blocks(page):
        if (block.page, block.language) not in HELD_ELSEWHERE:
            session.do(block)
    session.finish()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_code_is_written_where_no_test_runs_it(page: Path) -> None:
    """A page has no block of code but those between backticks: none that is indented, none between tildes."""
    assert re.findall(r"^\n {4,}\S.*|^~~~.*", prose(page), re.MULTILINE) == []
