"""`msgstate history`."""

import click

from msgstate import MessageStatus
from msgstate_server.cli.options import examples, json_option, provider_option, server_option
from msgstate_server.cli.pages import Listing, Page, page, paged, read
from msgstate_server.cli.server_call import connect
from msgstate_server.cli.text import json_line, time_text
from msgstate_server.cli.timeline import Timeline
from msgstate_server.cli.timeline_row import of_entry


@click.command(
    "history",
    epilog=examples(
        "msgstate history newsletter-3003",
        "msgstate history newsletter-3003 --provider cloudmailin --recipient ken@example.org",
        "msgstate history newsletter-3003 --all --json",
    ),
)
@click.argument("message_id")
@provider_option(default="", help="Only a message of this provider.")
@click.option("--recipient", default="", metavar="ADDRESS", help="Only this recipient's events.")
@paged
@server_option
@json_option
def command(  # noqa: PLR0913  (one parameter per option)
    *,
    message_id: str,
    provider: str,
    recipient: str,
    limit: int,
    everything: bool,
    page_token: str,
    server: str,
    as_json: bool,
) -> None:
    """Show every event of a message, and what each of them did.

    MESSAGE_ID is the provider's id or any other id by which the sender knows the message. One line per event, in the
    order in which they came: when it came, its place in the log, the recipient, the state before and after, and what
    happened, in the provider's own word too. An event that was no news says `confirmed`; one that is weaker than what
    was known already says `late`.
    """
    chosen = [(name, value) for name, value in (("--provider", provider), ("--recipient", recipient)) if value]
    _show(
        message_id,
        provider,
        recipient,
        page(limit, everything, page_token),
        Listing(("history",), chosen, as_json, server, message_id),
    )


def _show(message_id: str, provider: str, recipient: str, part: Page, listing: Listing) -> None:
    timeline = Timeline(with_message=False)
    with connect(listing.server) as client:
        if not listing.as_json and not part.token:
            _tell_what_is_gone(client.get_status(message_id, provider, recipient).status)
        pages = read(
            part,
            listing,
            lambda size, token: client.get_history(
                message_id, provider, recipient, page_size=size, page_token=token
            ).pages(),
        )
        for entries in pages:
            for entry in entries:
                if listing.as_json:
                    click.echo(json_line(entry))
                else:
                    timeline.show(of_entry(entry))


def _tell_what_is_gone(status: MessageStatus) -> None:
    """Say on standard error that the history is not whole."""
    compacted = [each for each in status.recipients if each.HasField("compact_time")]
    if compacted:
        latest = max((each.compact_time for each in compacted), key=lambda time: (time.seconds, time.nanos))
        whose = "all" if len(compacted) == len(status.recipients) else f"{len(compacted)} of {len(status.recipients)}"
        text = f"events before {time_text(latest)} are no longer kept of {whose} recipients: see `msgstate status`"
        click.echo(text, err=True)
