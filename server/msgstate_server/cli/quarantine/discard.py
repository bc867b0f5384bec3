"""`msgstate quarantine discard`."""

import sys

import click

from msgstate_server.cli.group import FAILED
from msgstate_server.cli.options import examples, server_option
from msgstate_server.cli.quarantine.choosing import check_choice, choosing, chosen
from msgstate_server.cli.server_call import connect
from msgstate_server.domain.limits import QUARANTINE_IDS


@click.command(
    "discard",
    epilog=examples("msgstate quarantine discard 1 2", "msgstate quarantine discard --all --provider emailit --yes"),
)
@choosing
@click.option("--yes", is_flag=True, help="Do not ask first.")
@server_option
def command(ids: tuple[int, ...], everything: bool, provider: str, yes: bool, server: str) -> None:
    """Throw quarantined webhooks away.

    The events that were understood stay. In a terminal it asks first. Exits with 1 where one of the ids was not there.
    """
    check_choice(ids, everything, provider)
    with connect(server) as client:
        wanted = chosen(client, tuple(dict.fromkeys(ids)), provider)
        if wanted and not yes and sys.stdin.isatty():
            click.confirm(f"Discard {len(wanted)} quarantined webhooks for good?", abort=True, err=True)
        discarded = sum(
            client.discard_quarantined(wanted[at : at + QUARANTINE_IDS]) for at in range(0, len(wanted), QUARANTINE_IDS)
        )
    click.echo(f"{discarded} discarded")
    if ids and discarded < len(wanted):
        click.echo(f"{len(wanted) - discarded} were not there", err=True)
        raise click.exceptions.Exit(FAILED)
