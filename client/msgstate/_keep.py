"""Where the token of a watch is kept."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

from msgstate.errors import InvalidRequest

Keep: TypeAlias = str | os.PathLike[str] | Callable[[str], object]
"""The path of a file, or what to call with each new token."""

NAME_ANOTHER: Final = "name another file, or remove this one to begin anew"


class TokenFile:
    """A file that holds the last token, whole at every moment, also when the power goes."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)

    def read(self) -> str:
        """The token; empty where there is no file, or nothing in it.

        Raises OSError where it cannot be read, and where there is no folder to write it to; ValueError where it holds
        what cannot be a token.
        """
        try:
            return self._path.read_text("ascii").strip()
        except UnicodeDecodeError as error:
            raise ValueError(f"{self._path} holds something else than a token: {NAME_ANOTHER}") from error
        except FileNotFoundError:
            if not self._path.parent.is_dir():
                raise
            return ""

    def require_writable(self) -> None:
        """Raise OSError where a token could not be written: better now than when the first one has come."""
        descriptor, name = self._new()
        os.close(descriptor)
        Path(name).unlink()

    def refused(self, error: InvalidRequest) -> InvalidRequest:
        """The error of a server that refuses the token in this file, with the file's name."""
        violations = [(f"{field} in {self._path}", description) for field, description in error.violations]
        text = f"{self._path}: {error}: {NAME_ANOTHER}"
        return InvalidRequest(text, code=error.code, reason=error.reason, violations=violations)

    def write(self, token: str) -> None:
        """Put the token in the place of the one before; raises OSError."""
        descriptor, name = self._new()
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(f"{token}\n")
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self._path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def _new(self) -> tuple[int, str]:
        return tempfile.mkstemp(prefix=f".{self._path.name}.", dir=self._path.parent)
