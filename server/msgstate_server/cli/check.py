"""`msgstate check`."""

import asyncio
import json

import click

from msgstate_server.cli.group import USAGE, Failed
from msgstate_server.cli.options import examples, store_option
from msgstate_server.cli.text import printable
from msgstate_server.domain.errors import StoreUnusable, UnknownStore
from msgstate_server.store.check import Summary, check
from msgstate_server.store.opening import auditor


@click.command(
    "check",
    epilog=examples(
        "msgstate check --store sqlite:///msgstate.db",
        "msgstate check --store sqlite:////var/lib/msgstate/msgstate.db --json",
    ),
)
@store_option("The store, whether a server runs on it or not.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print each finding, then the summary, as one JSON object a line."
)
def command(store: str, as_json: bool) -> None:
    """Prove that a store agrees with its own log.

    Every recipient's events are replayed; each status, version and position must be what they make it. Exits with 1
    where anything disagrees, or where the store cannot be read.
    """
    try:
        findings, summary = asyncio.run(_check(store, as_json))
    except UnknownStore as error:
        raise Failed(str(error), USAGE) from error
    except StoreUnusable as error:
        raise Failed(str(error)) from error
    if as_json:
        counts = {"recipients": summary.recipients, "events": summary.events, "findings": findings}
        click.echo(json.dumps(counts))
    else:
        outcome = "everything agrees" if not findings else f"{findings} do not agree"
        click.echo(f"checked {summary.recipients} recipients and {summary.events} events: {outcome}")
    if findings:
        raise click.exceptions.Exit(1)


async def _check(store: str, as_json: bool) -> tuple[int, Summary]:
    """Print each finding; give how many there are."""
    summary, findings = Summary(), 0
    async with auditor(store).audit() as audit:
        async for finding in check(audit, summary):
            findings += 1
            click.echo(json.dumps(finding._asdict()) if as_json else printable(f"{finding.where}: {finding.what}"))
    return findings, summary
