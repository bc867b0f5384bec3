from pathlib import Path

import pytest

import msgstate_server
from msgstate_server import failpoints
from msgstate_server.failpoints import FAILPOINTS, arm, failpoint

_ENGINES = ("sqlite", "postgres")
_CODE = {
    file: file.read_text(encoding="utf-8")
    for file in Path(msgstate_server.__file__).parent.rglob("*.py")
    if file != Path(failpoints.__file__)
}


@pytest.mark.parametrize("engine", _ENGINES)
@pytest.mark.parametrize("name", FAILPOINTS)
def test_every_place_is_in_the_code_once(name: str, engine: str) -> None:
    """A name that tests can arm marks one place, whichever engine runs, so that a fault there can happen."""
    others = {other for other in _ENGINES if other != engine}
    running = [source for file, source in _CODE.items() if file.parent.name not in others]
    assert sum(source.count(f'"{name}"') for source in running) == 1


def test_a_place_that_is_none_cannot_be_armed() -> None:
    """A misspelt name is refused, and not a fault that never happens."""
    with pytest.raises(ValueError, match=r"write\.after_comit"):
        arm("write.after_comit", lambda: None)


def test_only_what_is_armed_acts(monkeypatch: pytest.MonkeyPatch) -> None:
    """An armed place acts each time it is reached, and no other does."""
    monkeypatch.setattr(failpoints, "_armed", {})
    reached: list[str] = []
    failpoint("write.after_begin")
    arm("write.after_commit", lambda: reached.append("after_commit"))
    for name in ("write.after_begin", "write.after_commit", "write.after_commit"):
        failpoint(name)
    assert reached == ["after_commit", "after_commit"]
