"""Which quarantined webhooks a command is about: those named, or all of them."""

from collections.abc import Callable
from typing import TypeVar

import click

from msgstate import Client
from msgstate_server.cli.options import IDS, provider_option
from msgstate_server.domain.limits import PAGE_SIZE

_Function = TypeVar("_Function", bound=Callable[..., object])


def choosing(function: _Function) -> _Function:
    """Add ids, `--all` and `--provider`, which `chosen` reads."""
    for option in (
        provider_option(default="", help="With --all: only this provider's."),
        click.option("--all", "everything", is_flag=True, help="All that are listed."),
        click.argument("ids", nargs=-1, type=IDS, metavar="[ID]..."),
    ):
        function = option(function)
    return function


def check_choice(ids: tuple[int, ...], everything: bool, provider: str) -> None:
    """Refuse both ids and `--all`, or neither, as wrong usage."""
    if bool(ids) == everything:
        raise click.UsageError("Name ids, or give --all.")
    if provider and ids:
        raise click.UsageError("--provider goes with --all.")


def chosen(client: Client, ids: tuple[int, ...], provider: str) -> list[int]:
    """The ids, or those of all that are listed: read before any is changed, since that changes the list."""
    return list(ids) or [payload.id for payload in client.list_quarantine(provider, page_size=PAGE_SIZE)]
