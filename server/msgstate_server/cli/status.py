"""`msgstate status`."""

import shutil
import sys
from collections.abc import Iterator

import click

from msgstate import MessageStatus, RecipientStatus
from msgstate_server.cli.facts import facts, times
from msgstate_server.cli.options import (
    examples,
    json_option,
    provider_option,
    ref_option,
    require_id_or_ref,
    server_option,
)
from msgstate_server.cli.server_call import connect
from msgstate_server.cli.text import WIDE, json_line, printable, state_name, styled_state


@click.command(
    "status",
    epilog=examples(
        "msgstate status b47c8008-84af-47aa-b39a-b0a3f358a0ee",
        "msgstate status 3131351548 --provider emailit",
        "msgstate status newsletter-3003 --recipient ken@example.org",
        "msgstate status --ref order-77",
        "msgstate status m1 --json",
    ),
)
@click.argument("message_id", required=False, default="")
@ref_option("The sender's own id of the message, in place of MESSAGE_ID.")
@provider_option(default="", help="Only a message of this provider.")
@click.option("--recipient", default="", metavar="ADDRESS", help="Only this recipient.")
@server_option
@json_option
def command(  # noqa: PLR0913  (one parameter per option)
    *, message_id: str, message_ref: str, provider: str, recipient: str, server: str, as_json: bool
) -> None:
    """Show what became of a message.

    MESSAGE_ID is the provider's id or an alias. With --ref, shows recipients that share the ref as one. The message's
    own state is that of its recipient most in need of attention. Exits with 1 if there is no such message.
    """
    require_id_or_ref(message_id, message_ref)
    with connect(server) as client:
        response = client.get_status(message_id, provider, recipient, message_ref=message_ref)
    if as_json:
        click.echo(json_line(response))
    else:
        show(response.status)


def show(status: MessageStatus) -> None:
    """Print a status: a table in a terminal that is wide, plain lines elsewhere."""
    for label, value in _headings(status):
        click.echo(f"{label:<11} {value}")
    if sys.stdout.isatty() and shutil.get_terminal_size().columns >= WIDE:
        from msgstate_server.cli.table import show_recipients  # noqa: PLC0415  (rich is slow to import)

        show_recipients([cells(recipient) for recipient in status.recipients])
        return
    for recipient in status.recipients:
        address, state, *rest = cells(recipient)
        click.echo(f"\n{address}  {styled_state(state)}")
        for line in (line for cell in rest for line in cell.splitlines()):
            click.echo(f"    {line}")


def _headings(status: MessageStatus) -> Iterator[tuple[str, str]]:
    yield "message", printable(f"{status.provider}/{status.message_id}")
    if status.message_ref:
        yield "ref", printable(status.message_ref)
    yield "state", styled_state(state_name(status.state))
    counts = ", ".join(f"{count.count} {state_name(count.state)}" for count in status.state_counts)
    total = sum(count.count for count in status.state_counts)
    yield "recipients", f"{total} ({counts})"
    if status.aliases:
        yield "also known", printable(", ".join(status.aliases))
    if status.recipients_truncated:
        yield "shown", f"the first {len(status.recipients)}"


def cells(status: RecipientStatus) -> tuple[str, str, str, str]:
    """One recipient: address, state, its times and its facts, a line each."""
    return (
        printable(status.recipient),
        state_name(status.state),
        "\n".join(times(status)),
        "\n".join(facts(status)),
    )
