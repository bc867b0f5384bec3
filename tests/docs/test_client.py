import re

import msgstate
from msgstate import MsgstateError
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "client.md").read_text()


def test_the_table_of_exceptions_is_whole() -> None:
    """The table in docs/client.md has every exception that the client exports, and no other."""
    exported = {name for name, value in vars(msgstate).items() if _is_error(value)}

    assert set(re.findall(r"^\| `(\w+)` \| \S.* \|$", PAGE, re.MULTILINE)) == exported - {"MsgstateError"}


def test_every_method_is_named() -> None:
    """The page names each public method of the client."""
    methods = {name for name in dir(msgstate.Client) if not name.startswith("_")}

    assert {name for name in methods if f"{name}(" not in PAGE and f"`{name}`" not in PAGE} == set()


def _is_error(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, MsgstateError)
