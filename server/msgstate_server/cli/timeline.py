"""A timeline: one line per row in a pipe; in a terminal under its day, and broken where the terminal is too narrow."""

import shutil
import sys
import textwrap
from collections.abc import Iterator
from typing import Final

import click

from msgstate_server.cli.text import ARROW, STATE_WIDTH, state_name, styled_state, time_text
from msgstate_server.cli.timeline_row import TimelineRow

_INDENT: Final = " " * 10
_GAP: Final = "  "
_PLACE_WIDTH: Final = 6
_MESSAGE_WIDTH: Final = {True: 24, False: 32}
_RECIPIENT_WIDTH: Final = 20
_MOVE_WIDTH: Final = 2 * STATE_WIDTH + 3
_CAUSE_WIDTH: Final = 24
"""Columns that are left for the cause, or it goes to a line of its own."""


class Timeline:
    """Prints rows as they come."""

    def __init__(self, *, with_message: bool) -> None:
        """Whether each row names its message, because several may come; else it is named once, and in a terminal."""
        self._with_message = with_message
        self._terminal = sys.stdout.isatty()
        self._heading = ""

    def show(self, happening: TimelineRow) -> None:
        """Print one row."""
        if not self._terminal:
            time = time_text(happening.time, "milliseconds")
            click.echo(_GAP.join((time, *self._names(happening), _move(happening), happening.cause)))
            return
        day, _, time = time_text(happening.time).removesuffix("Z").partition("T")
        heading = f"{day} UTC" if self._with_message else f"{happening.message}{_GAP}{day} UTC"
        if heading != self._heading:
            click.secho(heading, bold=True)
            self._heading = heading
        names = _GAP.join((time, *self._names(happening)))
        columns = shutil.get_terminal_size().columns
        within = columns - len(names) - len(_GAP) - _MOVE_WIDTH - len(_GAP)
        if within >= _CAUSE_WIDTH:
            _echo(f"{names}{_GAP}{_move(happening)}", happening.cause, within)
        else:
            click.echo(names.rstrip())
            within = columns - len(_INDENT) - _MOVE_WIDTH - len(_GAP)
            _echo(f"{_INDENT}{_move(happening)}", happening.cause, max(within, _CAUSE_WIDTH))

    def _names(self, happening: TimelineRow) -> Iterator[str]:
        """What stands before the move, each as wide as what mostly stands there."""
        yield f"#{happening.position:<{_PLACE_WIDTH - 1}}"
        if self._with_message:
            yield f"{happening.message:<{_MESSAGE_WIDTH[self._terminal]}}"
        yield f"{happening.recipient:<{_RECIPIENT_WIDTH}}"


def _move(happening: TimelineRow) -> str:
    """From what to what; of an event that moved nothing how it compares, and where the state stays."""
    after = state_name(happening.after)
    if happening.effect:
        return f"{happening.effect:>{STATE_WIDTH}} \N{MIDDLE DOT} {after:<{STATE_WIDTH}}"
    return f"{state_name(happening.before):>{STATE_WIDTH}} {ARROW} {styled_state(after, STATE_WIDTH)}"


def _echo(text: str, cause: str, within: int) -> None:
    """Print the text, and after it the cause, which goes on below itself."""
    first, *others = textwrap.wrap(cause, within) or [""]
    click.echo(f"{text}{_GAP}{click.style(first, dim=True)}")
    indent = " " * (len(click.unstyle(text)) + len(_GAP))
    for line in others:
        click.echo(indent + click.style(line, dim=True))
