"""The file in which a watch keeps its token."""

from pathlib import Path

import pytest

from msgstate._keep import TokenFile


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """The last token written is read, and no other file is left."""
    file = TokenFile(tmp_path / "token")
    file.write("first")
    file.write("second")

    assert "second" == file.read()
    assert ["token"] == [path.name for path in tmp_path.iterdir()]


@pytest.mark.parametrize("content", [None, "", " \n"])
def test_nothing_is_read_where_nothing_is(tmp_path: Path, content: str | None) -> None:
    """A file that is not there, or empty, holds no token."""
    if content is not None:
        (tmp_path / "token").write_text(content)

    assert "" == TokenFile(tmp_path / "token").read()


def test_a_failed_write_leaves_what_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the new token cannot be put in place, the old one stays and nothing else is left."""
    file = TokenFile(tmp_path / "token")
    file.write("first")

    def fail(*_: object) -> None:
        raise OSError("full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="full"):
        file.write("second")

    assert "first" == file.read()
    assert ["token"] == [path.name for path in tmp_path.iterdir()]
