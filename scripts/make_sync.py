"""Writes the client for programs without an event loop from the asynchronous one: make_sync.py FOLDER.

Keywords are dropped and names replaced token by token, and `Awaitable[X]` becomes `X`; ruff has to put imports and
lines in order. `transport.py` is written by hand on both sides.
"""
# ruff: noqa: INP001  (a script, not a package)

import re
import sys
import tokenize
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import NamedTuple

SOURCE = Path(__file__).parents[1] / "client/msgstate/_async"
BY_HAND = {"__init__.py", "transport.py"}
HEADER = "# Generated from _async/{} by scripts/make_sync.py: change that one and run `make generate`.\n"

DROPPED = {"async", "await"}
RENAMED = {
    "StopAsyncIteration": "StopIteration",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "__aiter__": "__iter__",
    "__anext__": "__next__",
    "_async": "_sync",
}
ASYNC_CLASS = re.compile(r"\bAsync(?=[A-Z])")
SPACE = re.compile(r"\s*")


class Edit(NamedTuple):
    """What stands in place of a part of one line."""

    row: int
    begin: int
    end: int
    text: str


def synchronous(text: str) -> str:
    """The module's text without async and await."""
    lines = text.splitlines(keepends=True)
    for row, begin, end, replacement in sorted(edits(text), reverse=True):
        line = lines[row - 1]
        lines[row - 1] = line[:begin] + replacement + line[end:]
    return "".join(lines)


def edits(text: str) -> Iterator[Edit]:
    """Every change to make, one line each."""
    tokens = list(tokenize.generate_tokens(StringIO(text).readline))
    for index, token in enumerate(tokens):
        if token.type == tokenize.NAME and token.string in DROPPED:
            following = SPACE.match(token.line, token.end[1])
            yield Edit(token.start[0], token.start[1], following.end() if following else token.end[1], "")
        elif token.string == "Awaitable" and tokens[index + 1].string == "[":
            yield removal(token)
            yield from map(removal, brackets(tokens[index + 1 :]))
        elif token.type == tokenize.NAME:
            yield Edit(token.start[0], token.start[1], token.end[1], renamed(token.string))
        elif token.type in {tokenize.COMMENT, tokenize.STRING}:
            yield from reworded(token)


def removal(token: tokenize.TokenInfo) -> Edit:
    """Leave the token out."""
    return Edit(token.start[0], token.start[1], token.end[1], "")


def brackets(tokens: list[tokenize.TokenInfo]) -> tuple[tokenize.TokenInfo, tokenize.TokenInfo]:
    """The bracket that the tokens start with, and the one that closes it."""
    depth = 0
    for token in tokens:
        depth += (token.string == "[") - (token.string == "]")
        if depth == 0:
            return tokens[0], token
    raise ValueError(f"line {tokens[0].start[0]}: a bracket is not closed")


def reworded(token: tokenize.TokenInfo) -> Iterator[Edit]:
    """Name the other classes in a comment or docstring, line by line."""
    for offset, line in enumerate(token.string.splitlines()):
        begin = 0 if offset else token.start[1]
        yield Edit(token.start[0] + offset, begin, begin + len(line), ASYNC_CLASS.sub("", line))


def renamed(name: str) -> str:
    """The name on the other side."""
    return RENAMED.get(name) or ASYNC_CLASS.sub("", name)


def main(folder: Path) -> None:
    """Write every generated module into the folder, and delete those whose source is gone."""
    folder.mkdir(parents=True, exist_ok=True)
    sources = [module for module in sorted(SOURCE.glob("*.py")) if module.name not in BY_HAND]
    for written in folder.glob("*.py"):
        if written.name not in BY_HAND | {module.name for module in sources}:
            written.unlink()
    for module in sources:
        text = HEADER.format(module.name) + synchronous(module.read_text())
        (folder / module.name).write_text(text)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
