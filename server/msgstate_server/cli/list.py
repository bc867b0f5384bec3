"""`msgstate list`."""

from datetime import datetime
from typing import NamedTuple

import click

from msgstate import RecipientStatus, State
from msgstate_server.cli.facts import notes
from msgstate_server.cli.options import (
    STATES,
    Time,
    choice_option,
    examples,
    json_option,
    provider_option,
    server_option,
)
from msgstate_server.cli.pages import Listing, Page, page, paged, read
from msgstate_server.cli.rows import show_rows
from msgstate_server.cli.server_call import connect
from msgstate_server.cli.text import json_line, printable, state_name, time_text

_HEADINGS = ("updated", "state", "message", "recipient", "notes")


class Wanted(NamedTuple):
    """Which statuses."""

    states: tuple[str, ...]
    providers: tuple[str, ...]
    message_id: str
    recipient: str
    updated_after: datetime | None
    updated_before: datetime | None

    def options(self) -> list[tuple[str, str]]:
        """The options that say the same."""
        times = (("--updated-after", self.updated_after), ("--updated-before", self.updated_before))
        ids = (("--message-id", self.message_id), ("--recipient", self.recipient))
        return [
            *(("--state", value) for value in self.states),
            *(("--provider", value) for value in self.providers),
            *((name, value) for name, value in ids if value),
            *((name, value.isoformat()) for name, value in times if value),
        ]


@click.command(
    "list",
    epilog=examples(
        "msgstate list",
        "msgstate list --state FAILED --state SUPPRESSED --updated-after 2026-11-21T09:00:00Z",
        "msgstate list --message-id newsletter-3003 --all --json",
        "msgstate list --recipient ada@example.com --limit 10",
    ),
)
@choice_option("--state", "states", STATES, "Only recipients in this state; can be repeated")
@provider_option("providers", multiple=True, help="Only this provider; can be repeated.")
@click.option("--message-id", default="", metavar="ID", help="Only this message, by this very id.")
@click.option("--recipient", default="", metavar="ADDRESS", help="Only this recipient.")
@click.option("--updated-after", type=Time(), metavar="TIME",
              help="Only what was updated at this time or later: ISO 8601 (local, if it names no offset).")  # fmt: skip
@click.option("--updated-before", type=Time(), metavar="TIME", help="Only what was updated before this time.")
@paged
@server_option
@json_option
def command(  # noqa: PLR0913  (one parameter per option)
    *,
    states: tuple[str, ...],
    providers: tuple[str, ...],
    message_id: str,
    recipient: str,
    updated_after: datetime | None,
    updated_before: datetime | None,
    limit: int,
    everything: bool,
    page_token: str,
    server: str,
    as_json: bool,
) -> None:
    """List recipients' statuses, the newest first.

    Newest first means by first appearance, an order that never changes. Where there are more than were asked for, the
    command for the next page is printed on standard error.
    """
    wanted = Wanted(states, providers, message_id, recipient, updated_after, updated_before)
    _list(wanted, page(limit, everything, page_token), server, as_json)


def _list(wanted: Wanted, part: Page, server: str, as_json: bool) -> None:
    listing = Listing(("list",), wanted.options(), as_json, server)
    with connect(server) as client:
        pages = read(
            part,
            listing,
            lambda size, token: client.list_statuses(
                states=[State.Value(f"STATE_{state}") for state in wanted.states],
                providers=wanted.providers,
                message_id=wanted.message_id,
                recipient=wanted.recipient,
                updated_after=wanted.updated_after,
                updated_before=wanted.updated_before,
                page_size=size,
                page_token=token,
            ).pages(),
        )
        for statuses in pages:
            if as_json:
                for status in statuses:
                    click.echo(json_line(status))
            else:
                show_rows(_HEADINGS, [_cells(status) for status in statuses], stacked=3)


def _cells(status: RecipientStatus) -> tuple[str, ...]:
    return (
        time_text(status.update_time),
        state_name(status.state),
        printable(f"{status.provider}/{status.message_id}"),
        printable(status.recipient),
        "; ".join(notes(status)),
    )
