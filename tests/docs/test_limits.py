import re
from pathlib import Path

from msgstate_server.domain import limits

_DOCUMENT = Path(__file__).parents[2] / "docs" / "limits.md"
_ROW = re.compile(r"^\| `([A-Z_]+)` \| (.+?) \|", re.MULTILINE)


def _written(value: object) -> str:
    if isinstance(value, tuple):
        return " to ".join(f"{part:g}" for part in value)
    return f"`{value}`" if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)


def test_the_documented_limits_are_those_of_the_code() -> None:
    """The table in docs/limits.md has every limit of the code, with its value, and no other."""
    expected = {name: _written(value) for name, value in vars(limits).items() if name.isupper()}
    documented = dict(_ROW.findall(_DOCUMENT.read_text(encoding="utf-8")))
    assert documented == expected
