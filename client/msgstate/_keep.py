"""Where the token of a watch is kept."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

Keep: TypeAlias = str | os.PathLike[str] | Callable[[str], object]
"""The path of a file, or what to call with each new token."""


class TokenFile:
    """A file that holds the last token, whole at every moment, also when the power goes."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)

    def read(self) -> str:
        """The token; empty where there is no file, or nothing in it.

        Raises OSError where it cannot be read, and where there is no folder to write it to.
        """
        try:
            return self._path.read_text("ascii").strip()
        except FileNotFoundError:
            if not self._path.parent.is_dir():
                raise
            return ""

    def write(self, token: str) -> None:
        """Put the token in the place of the one before; raises OSError."""
        descriptor, name = tempfile.mkstemp(prefix=f".{self._path.name}.", dir=self._path.parent)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(f"{token}\n")
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self._path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
