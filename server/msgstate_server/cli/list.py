"""`msgstate list`."""

from datetime import datetime, timedelta
from typing import NamedTuple

import click

from msgstate import RecipientStatus, State
from msgstate_server.cli.facts import notes
from msgstate_server.cli.options import (
    STATES,
    Duration,
    Time,
    choice_option,
    examples,
    json_option,
    label_options,
    provider_option,
    ref_option,
    server_option,
)
from msgstate_server.cli.pages import Listing, Page, page, paged, read
from msgstate_server.cli.rows import show_rows
from msgstate_server.cli.server_call import connect, exact_id
from msgstate_server.cli.text import json_line, printable, state_name, time_text

_ON_THE_WAY = ("QUEUED", "SENT")
_HEADINGS = ("first seen", "state", "message", "recipient", "notes")


class Wanted(NamedTuple):
    """Which statuses."""

    states: tuple[str, ...]
    providers: tuple[str, ...]
    message_id: str
    recipient: str
    updated_after: datetime | None
    updated_before: datetime | None
    message_ref: str
    account: str
    metadata: tuple[str, str] | None
    created_after: datetime | None
    created_before: datetime | None
    state_changed_before: datetime | None

    def options(self) -> list[tuple[str, str]]:
        """The options that say the same."""
        times = (
            ("--updated-after", self.updated_after),
            ("--updated-before", self.updated_before),
            ("--created-after", self.created_after),
            ("--created-before", self.created_before),
            ("--state-changed-before", self.state_changed_before),
        )
        ids = (
            ("--message-id", self.message_id),
            ("--ref", self.message_ref),
            ("--recipient", self.recipient),
            ("--account", self.account),
            ("--metadata", "=".join(self.metadata or ())),
        )
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
        "msgstate list --stuck 2h",
        "msgstate list --ref order-77",
        "msgstate list --message-id newsletter-3003 --all --json",
        "msgstate list --recipient ada@example.com --limit 10",
    ),
)
@choice_option("--state", "states", STATES, "Only recipients in this state; can be repeated")
@provider_option("providers", multiple=True, help="Only this provider; can be repeated.")
@click.option("--message-id", default="", metavar="ID", help="Only this message, by its id or an alias.")
@ref_option("Only the message with this ref, the sender's own id; what shares it is listed as one.")
@label_options
@click.option("--recipient", default="", metavar="ADDRESS", help="Only this recipient.")
@click.option("--updated-after", type=Time(), metavar="TIME",
              help="Only what was updated at this time or later: ISO 8601 (local, if it names no offset).")  # fmt: skip
@click.option("--updated-before", type=Time(), metavar="TIME", help="Only what was updated before this time.")
@click.option("--created-after", type=Time(), metavar="TIME", help="Only what was first seen at this time or later.")
@click.option("--created-before", type=Time(), metavar="TIME", help="Only what was first seen before this time.")
@click.option(
    "--state-changed-before", type=Time(), metavar="TIME", help="Only what has its state since before this time."
)
@click.option("--stuck", type=Duration(), metavar="DURATION",
              help="Only what has been QUEUED or SENT for so long: 30m, 2h, 3d.")  # fmt: skip
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
    message_ref: str,
    account: str,
    metadata: tuple[str, str] | None,
    created_after: datetime | None,
    created_before: datetime | None,
    state_changed_before: datetime | None,
    stuck: timedelta | None,
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
    if stuck and (states or state_changed_before):
        raise click.UsageError("--stuck stands for --state and --state-changed-before: give it alone.")
    if stuck:
        states, state_changed_before = _ON_THE_WAY, datetime.now().astimezone() - stuck
    wanted = Wanted(
        states,
        providers,
        message_id,
        recipient,
        updated_after,
        updated_before,
        message_ref,
        account,
        metadata,
        created_after,
        created_before,
        state_changed_before,
    )
    _list(wanted, page(limit, everything, page_token), server, as_json)


def _list(wanted: Wanted, part: Page, server: str, as_json: bool) -> None:
    listing = Listing(("list",), wanted.options(), as_json, server)
    with connect(server) as client:
        message_id = exact_id(client, wanted.message_id)
        pages = read(
            part,
            listing,
            lambda size, token: client.list_statuses(
                states=[State.Value(f"STATE_{state}") for state in wanted.states],
                providers=wanted.providers,
                message_id=message_id,
                recipient=wanted.recipient,
                message_ref=wanted.message_ref,
                account=wanted.account,
                metadata=dict([wanted.metadata]) if wanted.metadata else None,
                created_after=wanted.created_after,
                created_before=wanted.created_before,
                state_changed_before=wanted.state_changed_before,
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
        time_text(status.create_time),
        state_name(status.state),
        printable(f"{status.provider}/{status.message_id}"),
        printable(status.recipient),
        "; ".join(notes(status)),
    )
