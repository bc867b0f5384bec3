"""`msgstate quarantine list`."""

import click

from msgstate.v1.admin_service_pb2 import QuarantinedPayload
from msgstate_server.cli.options import examples, json_option, provider_option, server_option
from msgstate_server.cli.pages import Listing, Page, page, paged, read
from msgstate_server.cli.quarantine.problems import problem_text, source
from msgstate_server.cli.rows import show_rows
from msgstate_server.cli.server_call import connect
from msgstate_server.cli.text import json_line, shortened, time_text

_HEADINGS = ("id", "received", "from", "size", "problems")
_PROBLEM_WIDTH = 100


@click.command(
    "list",
    epilog=examples(
        "msgstate quarantine list",
        "msgstate quarantine list --provider emailit --all --json",
    ),
)
@provider_option(default="", help="Only this provider's.")
@click.option("--replayed", is_flag=True, help="Also those of which a replay understood everything.")
@paged
@server_option
@json_option
def command(  # noqa: PLR0913, PLR0917  (one parameter per option)
    provider: str, replayed: bool, limit: int, everything: bool, page_token: str, server: str, as_json: bool
) -> None:
    """List what could not be understood, the newest first."""
    chosen = [("--provider", provider)] * bool(provider) + [("--replayed", "")] * replayed
    listing = Listing(("quarantine", "list"), chosen, as_json, server)
    _list(provider, replayed, page(limit, everything, page_token), listing)


def _list(provider: str, replayed: bool, part: Page, listing: Listing) -> None:
    with connect(listing.server) as client:
        pages = read(
            part,
            listing,
            lambda size, token: client.list_quarantine(
                provider, include_replayed=replayed, page_size=size, page_token=token
            ).pages(),
        )
        for payloads in pages:
            if listing.as_json:
                for payload in payloads:
                    click.echo(json_line(payload))
            else:
                show_rows(_HEADINGS, [_cells(payload) for payload in payloads])


def _cells(payload: QuarantinedPayload) -> tuple[str, ...]:
    problems = payload.problems
    first = shortened(problem_text(problems[0]), _PROBLEM_WIDTH) if problems else "none: replayed"
    return (
        str(payload.id),
        time_text(payload.received_time),
        source(payload),
        str(payload.body_size),
        first + (f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""),
    )
