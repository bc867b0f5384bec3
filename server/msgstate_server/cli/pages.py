"""Reads a list page by page, up to as many rows as were asked for, and says how to go on."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple, TypeVar

import click

import msgstate
from msgstate_server.cli.options import to_paste
from msgstate_server.cli.text import printable
from msgstate_server.domain.limits import PAGE_SIZE

_T = TypeVar("_T")
DEFAULT_LIMIT: Final = 50

_Function = TypeVar("_Function", bound=Callable[..., object])


class Page(NamedTuple):
    """How much of a list to print: at most `limit` rows, all of them where it is None, from the page's token on."""

    limit: int | None
    token: str


def paged(function: _Function) -> _Function:
    """Add `--limit`, `--all` and `--page`, which `page` reads."""
    for option in (
        click.option("--page", "page_token", default="", metavar="TOKEN", help="Go on where a list stopped."),
        click.option("--all", "everything", is_flag=True, help="Print all of them."),
        click.option(
            "--limit",
            metavar="N",
            type=click.IntRange(min=1),
            default=DEFAULT_LIMIT,
            show_default=True,
            help="Print at most so many.",
        ),
    ):
        function = option(function)
    return function


def page(limit: int, everything: bool, token: str) -> Page:
    """What the options of `paged` ask for."""
    return Page(None if everything else limit, token)


class Listing(NamedTuple):
    """What was asked for: the command's words, the options that chose the rows, their form, the server, an argument."""

    words: tuple[str, ...]
    options: Sequence[tuple[str, str]]
    as_json: bool
    server: str
    argument: str = ""

    def after(self, limit: int, token: str) -> str:
        """The command that goes on at a token."""
        options = [
            *self.options,
            *[("--limit", str(limit))] * (limit != DEFAULT_LIMIT),
            *[("--json", "")] * self.as_json,
        ]
        return to_paste(self.words, self.server, [*options, ("--page", token)], self.argument)


def read(
    wanted: Page, listing: Listing, fetch: Callable[[int, str], Iterable[msgstate.Page[_T]]]
) -> Iterator[Sequence[_T]]:
    """The rows, about 1,000 at a time; at the end prints the command for the next page, where there is one.

    `fetch` gives pages of at most so many rows from a token on, of which only the first is read.
    """
    left, token = wanted.limit, wanted.token
    gathered: list[_T] = []
    while left is None or left > 0:
        found = next(iter(fetch(min(left or PAGE_SIZE, PAGE_SIZE), token)))
        gathered.extend(found.items)
        left = None if left is None else left - len(found.items)
        token = found.next_page_token
        # A page may be short, and rows that are printed together are aligned together.
        if len(gathered) >= PAGE_SIZE:
            yield gathered
            gathered = []
        if not token:
            break
    if gathered:
        yield gathered
    if token and wanted.limit:
        click.echo(printable(f"next page: {listing.after(wanted.limit, token)}"), err=True)
