"""`msgstate migrate`."""

import click

from msgstate_server.cli.group import USAGE, Failed
from msgstate_server.cli.options import examples, store_option
from msgstate_server.domain.errors import StoreUnusable, UnknownStore
from msgstate_server.store.opening import upkeep
from msgstate_server.store.upkeep import Condition


@click.command(
    "migrate",
    epilog=examples(
        "msgstate migrate --store sqlite:///msgstate.db --plan",
        "msgstate migrate --store sqlite:///msgstate.db",
        "msgstate migrate --store postgresql://msgstate@db.example/msgstate --post",
    ),
)
@store_option("The store; one that is not there is made.")
@click.option("--plan", is_flag=True, help="Only print what would be done.")
@click.option("--post", is_flag=True, help="Also do what servers of the version before could not live with.")
def command(store: str, plan: bool, post: bool) -> None:
    """Bring a store's schema up to date.

    `msgstate serve` does so by itself when it starts; this does it without serving. Each migration is one line. All of
    them are one transaction: a store is brought up to date or left as it was. Make a backup first, since an older
    msgstate refuses a newer schema.

    A SQLite file is refused while a server runs on it. On PostgreSQL servers go on meanwhile, also those of the version
    before: what is done beside them is `pre`, and `post` what waits until --post says that none of them runs any more.
    """
    try:
        kept = upkeep(store)
        before = kept.condition()
        applied = _wanted(before, post) if plan else kept.migrate(post=post)
    except UnknownStore as error:
        raise Failed(str(error), USAGE) from error
    except StoreUnusable as error:
        raise Failed(str(error)) from error
    for name in applied:
        click.echo(f"{'would apply' if plan else 'applied'} {name}{_kind(before, name)}")
    left = [] if post else before.later or []
    for name in left:
        click.echo(f"left for later {name} (post: with --post, once no server of the version before runs)")
    if not applied and not left:
        click.echo("nothing to do: the schema is up to date")


def _wanted(condition: Condition, post: bool) -> list[str]:
    return [name for name in condition.pending if post or name not in (condition.later or ())]


def _kind(condition: Condition, name: str) -> str:
    """Whether servers of the version before may run meanwhile, where any do beside others."""
    if condition.later is None:
        return ""
    return (
        " (post: none of the version before may run)" if name in condition.later else " (pre: beside running servers)"
    )
