"""The command itself: every check in order, a line each."""

import json
import shutil
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
from click.core import ParameterSource

from msgstate_server.cli.doctor.configuration import VARIABLES, settings
from msgstate_server.cli.doctor.finding import Finding, Level
from msgstate_server.cli.doctor.machine import machine
from msgstate_server.cli.doctor.ports import ports
from msgstate_server.cli.doctor.storage import storage
from msgstate_server.cli.group import FAILED
from msgstate_server.cli.options import examples, serve_options
from msgstate_server.cli.text import printable

_COLOURS: Final = {Level.OK: "green", Level.WARNING: "yellow", Level.FAILED: "red"}
_INDENT: Final = " " * 20


@click.command(
    "doctor",
    epilog=examples(
        "msgstate doctor",
        "msgstate doctor --config /etc/msgstate.toml",
        "msgstate doctor --store sqlite:////var/lib/msgstate/msgstate.db --json",
    ),
)
@serve_options
@click.option("--json", "as_json", is_flag=True, help="Print each line as one JSON object.")
@click.pass_context
def command(ctx: click.Context, /, *, config: Path | None, as_json: bool, **given: str | None) -> None:
    """Find what stands between this machine and a running service.

    Give it the options that `msgstate serve` gets. One line per thing: ok, warning or failed, what was found, and the
    mend. Nothing is changed, and no secret is printed. Exits with 1 where something failed.
    """
    flags: dict[str, str | None] = dict.fromkeys(VARIABLES)
    variables: dict[str, str | None] = dict.fromkeys(VARIABLES)
    for name, value in given.items():
        from_variable = ctx.get_parameter_source(name) is ParameterSource.ENVIRONMENT
        (variables if from_variable else flags)[name] = value
    worst = False
    for finding in _all(config, flags, variables):
        worst = worst or finding.level is Level.FAILED
        click.echo(json.dumps(finding._asdict()) if as_json else _text(finding))
    if worst:
        raise click.exceptions.Exit(FAILED)


def _all(config: Path | None, flags: dict[str, str | None], variables: dict[str, str | None]) -> Iterator[Finding]:
    yield from machine()
    loaded, findings = settings(config, flags, variables)
    yield from findings
    if loaded is not None:
        yield from storage(loaded.store, time.time_ns() // 1000)
        yield from ports(loaded)


def _text(finding: Finding) -> str:
    """One line; a terminal that is too narrow for it gets it broken, below itself."""
    level = click.style(f"{finding.level:<7}", fg=_COLOURS[finding.level], bold=finding.level is not Level.OK)
    mend = f"; {finding.mend}" if finding.mend else ""
    text = printable(finding.found + mend)
    if sys.stdout.isatty():
        width = max(shutil.get_terminal_size().columns - len(_INDENT), len(_INDENT))
        text = f"\n{_INDENT}".join(textwrap.wrap(text, width, break_on_hyphens=False))
    return f"{level}  {finding.subject:<9}  {text}"
