"""`msgstate payload`."""

import click

from msgstate_server.cli.body import write_body
from msgstate_server.cli.options import IDS, examples, server_option
from msgstate_server.cli.server_call import connect


@click.command("payload", epilog=examples("msgstate payload 12", "msgstate payload 12 >webhook.json"))
@click.argument("position", type=IDS)
@server_option
def command(position: int, server: str) -> None:
    """Print the raw body that brought an event.

    POSITION is the event's place in the log, as `history` and `watch` print it. The bytes are those that the provider
    posted; in a terminal control characters are replaced. Exits with 1 where there are none: the event came by gRPC, or
    its body is no longer kept.
    """
    with connect(server) as client:
        body = client.get_payload(position).body
    write_body(body)
