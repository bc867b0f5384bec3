"""Tables for a terminal. What a provider told is shown as it stands: never read as markup."""

from collections.abc import Iterable, Sequence
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from msgstate_server.cli.text import STATE_COLOURS, WIDE

_UNBROKEN: Final = ("id", "received", "updated", "state", "size")


def show_recipients(rows: Iterable[tuple[str, str, str, str]]) -> None:
    """Print rows of address, state, times and facts."""
    table = _table(("recipient", "state", "times", "facts"), unbroken=("state", "times"))
    for number, (address, state, times, facts) in enumerate(rows):
        if number:
            table.add_row()
        table.add_row(Text(address), _state(state), Text(times), Text(facts))
    Console().print(table)


def show_table(headings: Sequence[str], rows: Iterable[Sequence[str]], stacked: int) -> None:
    """Print rows under headings; in a narrow terminal so many of the last columns are one, each on its own line."""
    console = Console()
    single = len(headings) - (stacked if console.width < WIDE else 0)
    rest = [", ".join(headings[single:])] if headings[single:] else []
    table = _table([*headings[:single], *rest], _UNBROKEN)
    for row in rows:
        cells = [
            _state(cell) if heading == "state" else Text(cell) for heading, cell in zip(headings, row, strict=True)
        ]
        lines = Text("\n").join(cell for cell in cells[single:] if cell)
        table.add_row(*cells[:single], *[lines] * len(rest))
    console.print(table)


def _table(headings: Sequence[str], unbroken: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_lines=False, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, overflow="fold", no_wrap=heading in unbroken)
    return table


def _state(name: str) -> Text:
    return Text(name, f"bold {STATE_COLOURS.get(name, '')}")
