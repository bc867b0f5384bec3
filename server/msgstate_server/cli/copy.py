"""`msgstate copy`."""

import asyncio
import json

import click

from msgstate_server.cli.group import USAGE, Failed
from msgstate_server.cli.options import examples
from msgstate_server.cli.progress import Steps
from msgstate_server.cli.text import printable
from msgstate_server.domain.errors import StoreUnusable, UnknownStore
from msgstate_server.store.copyable import ALIASES, EVENTS, PAYLOADS, QUARANTINE, STATUSES
from msgstate_server.store.copying import Copied, copy
from msgstate_server.store.opening import copyable

_COUNTED = {
    "recipients": STATUSES,
    "events": EVENTS,
    "aliases": ALIASES,
    "payloads": PAYLOADS,
    "quarantined": QUARANTINE,
}


@click.command(
    "copy",
    epilog=examples(
        "msgstate copy sqlite:///msgstate.db postgresql://msgstate@db.example/msgstate",
        "msgstate copy postgresql://msgstate@db.example/msgstate sqlite:////var/lib/msgstate/msgstate.db",
        "msgstate copy --json sqlite:///msgstate.db postgresql://msgstate@db.example/msgstate",
    ),
)
@click.argument("source")
@click.argument("dest")
@click.option(
    "--json", "as_json", is_flag=True, help="Print each finding, then the summary, as one JSON object a line."
)
def command(source: str, dest: str, as_json: bool) -> None:
    """Move a store into another database, SQLite or PostgreSQL.

    SOURCE and DEST are URLs as --store of `msgstate serve` takes them. All is kept, positions and ids too, so that
    clients go on at DEST with the tokens that they have. No server may run on SOURCE, of which nothing is changed, and
    DEST must be empty. A copy that was interrupted goes on where it stopped when the same command is run again; until
    it is finished, DEST cannot be served. At the end both are compared row by row, and each is proved to agree with its
    own log. Exits with 1 where anything differs or does not agree, or where either cannot be used.
    """
    try:
        copied, findings = asyncio.run(_copy(source, dest, as_json))
    except UnknownStore as error:
        raise Failed(str(error), USAGE) from error
    except StoreUnusable as error:
        raise Failed(str(error)) from error
    rows = {name: copied.rows[table.name] for name, table in _COUNTED.items()}
    if as_json:
        click.echo(json.dumps({**rows, "wentOn": copied.went_on, "findings": findings}))
    else:
        click.echo(_summary(rows, copied, findings))
    if not copied.finished:
        raise click.exceptions.Exit(1)


async def _copy(source: str, dest: str, as_json: bool) -> tuple[Copied, int]:
    """Print each finding; give what was copied, and how many there are."""
    copied, findings = Copied(), 0
    own, made = copyable(source), copyable(dest)
    with Steps() as steps:
        async for finding in copy(own, made, copied, steps):
            findings += 1
            click.echo(json.dumps(finding._asdict()) if as_json else printable(f"{finding.where}: {finding.what}"))
    return copied, findings


def _summary(rows: dict[str, int], copied: Copied, findings: int) -> str:
    if not copied.finished:
        return f"not copied: {findings} do not agree"
    counts = ", ".join(f"{count} {name}" for name, count in rows.items())
    return f"copied {counts}: both are equal, and everything agrees"
