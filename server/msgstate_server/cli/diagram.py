"""`msgstate diagram`."""

import click

from msgstate_server.cli.options import examples
from msgstate_server.domain.diagram import mermaid


@click.command("diagram", epilog=examples("msgstate diagram", "msgstate diagram >lifecycle.mmd"))
def command() -> None:
    """Draw the lifecycle as a Mermaid state diagram.

    It is drawn from the state machine itself, on standard output.
    """
    click.echo(mermaid(), nl=False)
