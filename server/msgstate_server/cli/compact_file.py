"""`msgstate compact-file`."""

import click

from msgstate_server.cli.group import USAGE, Failed
from msgstate_server.cli.options import examples, store_option
from msgstate_server.domain.errors import StoreUnusable, UnknownStore
from msgstate_server.store.opening import file_upkeep


@click.command("compact-file", epilog=examples("msgstate compact-file --store sqlite:///msgstate.db"))
@store_option("The SQLite file.")
def command(store: str) -> None:
    """Give the free space of a SQLite file back to the file system.

    A running server does so by itself, in small steps after it has deleted old events, and keeps a fifth of the file
    free for new ones. A file made before version 0.3.0 learns that when this command rewrites it. `msgstate doctor`
    shows how much could be freed.

    Stop the server first: the file is refused while one runs on it. The folder needs free space for two copies of what
    remains. The rewrite is one transaction, so a crash or a full disk leaves the file as it was.
    """
    try:
        before, after = file_upkeep(store).compact_file()
    except UnknownStore as error:
        raise Failed(str(error), USAGE) from error
    except StoreUnusable as error:
        raise Failed(str(error)) from error
    click.echo(f"compacted: {_size(before)} before, {_size(after)} now")


def _size(size: int) -> str:
    return f"{size / 1_048_576:,.1f} MiB"
