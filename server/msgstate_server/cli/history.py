"""`msgstate history`."""

from typing import NamedTuple

import click

from msgstate import MessageStatus
from msgstate_server.cli.options import (
    examples,
    json_option,
    provider_option,
    ref_option,
    require_id_or_ref,
    server_option,
)
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
@click.argument("message_id", required=False, default="")
@ref_option("The sender's own id of the message, in place of MESSAGE_ID.")
@provider_option(default="", help="Only a message of this provider.")
@click.option("--recipient", default="", metavar="ADDRESS", help="Only this recipient's events.")
@paged
@server_option
@json_option
def command(  # noqa: PLR0913  (one parameter per option)
    *,
    message_id: str,
    message_ref: str,
    provider: str,
    recipient: str,
    limit: int,
    everything: bool,
    page_token: str,
    server: str,
    as_json: bool,
) -> None:
    """Show every event of a message, and what each of them did.

    MESSAGE_ID is the provider's id or an alias. With --ref, shows the events of all messages that share the ref. Each
    event has one line, in order of arrival: when it came, its place in the log, the recipient, the state before and
    after, and what happened, with the provider's own word. An event that repeats what is known shows `confirmed`; an
    event weaker than the current state shows `no change`, with the reason.
    """
    require_id_or_ref(message_id, message_ref)
    options = (("--ref", message_ref), ("--provider", provider), ("--recipient", recipient))
    chosen = [(name, value) for name, value in options if value]
    _show(
        _Asked(message_id, provider, recipient, message_ref),
        page(limit, everything, page_token),
        Listing(("history",), chosen, as_json, server, message_id),
    )


class _Asked(NamedTuple):
    """Which message, and which of its recipients."""

    message_id: str
    provider: str
    recipient: str
    message_ref: str


def _show(asked: _Asked, part: Page, listing: Listing) -> None:
    timeline = Timeline(with_message=bool(asked.message_ref))
    *names, message_ref = asked
    with connect(listing.server) as client:
        if not listing.as_json and not part.token:
            _tell_what_is_gone(client.get_status(*names, message_ref=message_ref).status)
        pages = read(
            part,
            listing,
            lambda size, token: client.get_history(
                *names, message_ref=message_ref, page_size=size, page_token=token
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
