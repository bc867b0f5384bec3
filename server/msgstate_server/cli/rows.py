"""Rows of cells: a table in a terminal, aligned plain lines elsewhere."""

import sys
from collections.abc import Sequence

import click

from msgstate_server.cli.text import NO_STATE


def show_rows(headings: Sequence[str], rows: Sequence[Sequence[str]], stacked: int = 0) -> None:
    """Print rows; in a pipe without headings, and `-` for an empty cell, so that every line has as many columns.

    In a narrow terminal so many of the last columns are one, each on a line of its own.
    """
    if sys.stdout.isatty():
        from msgstate_server.cli.table import show_table  # noqa: PLC0415  (rich is slow to import)

        show_table(headings, rows, stacked)
        return
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (f"{cell or NO_STATE:<{width}}" for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())
