"""The path of a new user, from the README alone, in an empty folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.server_process import RUN_SECONDS, wait_until
from tests.docs.pages import ROOT, Block, blocks
from tests.docs.session import Session

README = blocks(ROOT / "README.md")
LATER = """
curl -sS -u hook:change-me http://127.0.0.1:8080/webhooks/cloudmailin \
  -d '{"events": [{"kind": "bounce", "recipient": "ada@example.com", "message_id": "my-first"}]}'
"""


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    session = Session(tmp_path)
    yield session
    session.close()


@pytest.mark.slow
def test_a_new_users_watch_goes_on_through_a_kill_of_the_server(session: Session) -> None:
    """Who follows the README, kills the server and starts it again, sees the watch go on where it was."""
    for block in README:
        session.do(block)
        if "follow" in block.words:
            break
    wait_until(lambda: "STATE_ENGAGED" in session.output(), RUN_SECONDS, "the watch")
    (serve,) = [block for block in README if "serve" in block.words]

    session.kill_server()
    session.do(serve)
    session.shell(LATER)

    shown = README[README.index(block) + 1].text + "3 ada@example.com STATE_FAILED\n"
    session.do(Block("README.md", 0, "text", frozenset(), shown))
