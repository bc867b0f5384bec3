"""The pages that users read, taken apart."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
RUN: Final = [page for page in PAGES if page.name != "CHANGELOG.md"]

_FENCE: Final = re.compile(r"^( *)(```+)(.*)$")
_LINK: Final = re.compile(r"(?<!\\)\]\(([^)\s]+)\)|^\[[^\]]+\]: (\S+)$", re.MULTILINE)


class Block(NamedTuple):
    """A block of code. After its language it may carry words for the tests, which no reader sees.

    `serve`: it starts the server of the session; `stop`: it stops it. `follow`: it goes on by itself, until it printed
    what the next block shows. `file=NAME`: the reader puts it there. `exit=NUMBER`: the code it ends with.
    """

    page: str
    line: int
    language: str
    words: frozenset[str]
    text: str

    def named(self, key: str) -> str:
        """The value of `key=value` among the words; empty without one."""
        return next((word.partition("=")[2] for word in self.words if word.startswith(f"{key}=")), "")

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def name(page: Path) -> str:
    """Where the page stands in the repository."""
    return str(page.relative_to(ROOT))


def blocks(page: Path) -> list[Block]:
    """The page's blocks of code, in order."""
    found: list[Block] = []
    inside: tuple[int, str] | None = None
    text: list[str] = []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(keepends=True), 1):
        fence = _FENCE.match(line.rstrip("\n"))
        if fence and inside is None:
            assert not fence[1], f"{name(page)}:{number}: a block of code starts at the margin, or no test finds it"
            inside, text = (number, fence[3]), []
        elif fence and inside is not None and not fence[3]:
            language, *words = inside[1].split() or [""]
            found.append(Block(name(page), inside[0], language, frozenset(words), "".join(text)))
            inside = None
        elif inside is not None:
            text.append(line)
    assert inside is None, f"{name(page)}:{inside}: the block does not end"
    return found


def prose(page: Path) -> str:
    """The page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> list[str]:
    """What can follow the page's address and a `#`: its headings, as GitHub writes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


def links(page: Path) -> Iterator[str]:
    """The targets of the page's links and pictures."""
    for found in _LINK.finditer(re.sub(r"`[^`\n]*`", "", prose(page))):
        yield found[1] or found[2]
