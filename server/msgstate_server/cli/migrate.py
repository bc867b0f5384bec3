"""`msgstate migrate`."""

import click

from msgstate_server.cli.group import USAGE, Failed
from msgstate_server.cli.options import examples, store_option
from msgstate_server.domain.errors import StoreUnusable, UnknownStore
from msgstate_server.store.opening import upkeep


@click.command(
    "migrate",
    epilog=examples(
        "msgstate migrate --store sqlite:///msgstate.db --plan",
        "msgstate migrate --store sqlite:///msgstate.db",
    ),
)
@store_option("The store; one that is not there is made.")
@click.option("--plan", is_flag=True, help="Only print what would be done.")
def command(store: str, plan: bool) -> None:
    """Bring a store's schema up to date.

    `msgstate serve` does so by itself when it starts; this does it without serving, and is refused while a server runs
    on the store. Each migration is one line. All of them are one transaction: a store is brought up to date or left as
    it was. Make a backup first, since an older msgstate refuses a newer schema.
    """
    try:
        kept = upkeep(store)
        names = kept.condition().pending if plan else kept.migrate()
    except UnknownStore as error:
        raise Failed(str(error), USAGE) from error
    except StoreUnusable as error:
        raise Failed(str(error)) from error
    for name in names:
        click.echo(f"{'would apply' if plan else 'applied'} {name}")
    if not names:
        click.echo("nothing to do: the schema is up to date")
