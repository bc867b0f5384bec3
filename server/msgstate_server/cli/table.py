"""Recipients as a table, for a terminal."""

from collections.abc import Iterable

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from msgstate_server.cli.text import STATE_COLOURS


def show_recipients(rows: Iterable[tuple[str, str, str, str]]) -> None:
    """Print rows of address, state, times and facts."""
    table = Table(box=box.SIMPLE_HEAD, show_lines=False, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("recipient", "state", "times", "facts"):
        table.add_column(heading, overflow="fold", no_wrap=heading in ("state", "times"))
    for number, (address, state, times, facts) in enumerate(rows):
        if number:
            table.add_row()
        # Text, not markup: what a provider told must not be read as formatting.
        table.add_row(Text(address), Text(state, f"bold {STATE_COLOURS.get(state, '')}"), Text(times), Text(facts))
    Console().print(table)
