import re

from tests.docs.pages import ROOT
from tests.robustness.bugs_table import BUGS
from tests.robustness.judge import RULES

_PAGE = (ROOT / "docs" / "robustness.md").read_text(encoding="utf-8")
_RULE = re.compile(r"^\| `([a-z_]+)` \| [A-Z`]", re.MULTILINE)
_BUG = re.compile(r"^\| ([^|`]+) \| `([a-z_]+)` \|", re.MULTILINE)


def test_the_page_has_every_rule() -> None:
    """Every rule that the judge knows, and every one that a bug is caught by, stands on the page with what it says."""
    named = _RULE.findall(_PAGE)
    assert set(RULES) <= set(named)
    assert {bug.rule for bug in BUGS} <= set(named)
    assert len(named) == len(set(named))


def test_the_page_has_every_seeded_bug() -> None:
    """Every bug that is put into copies stands there with the rule meant for it, and no other."""
    assert [(bug.name, bug.rule) for bug in BUGS] == _BUG.findall(_PAGE)
