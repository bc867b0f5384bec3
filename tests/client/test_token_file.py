"""The file in which a watch keeps its token."""

import errno
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


def test_what_is_no_text_is_named(tmp_path: Path) -> None:
    """A file that holds something else than a token raises ValueError with its name and the mend."""
    path = tmp_path / "token"
    path.write_bytes(b"\xff\xfe")

    with pytest.raises(ValueError, match=r"token holds something else than a token: name another file"):
        TokenFile(path).read()


def test_whether_it_can_be_written_is_known_before_there_is_a_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that takes no new file raises OSError; one that does is left as it was."""
    file = TokenFile(tmp_path / "token")
    file.require_writable()
    assert [] == list(tmp_path.iterdir())

    def refuse(**_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    with pytest.raises(OSError, match="Read-only"):
        file.require_writable()


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
