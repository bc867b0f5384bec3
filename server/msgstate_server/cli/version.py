"""`msgstate version`."""

import json
import platform

import click
import google.protobuf
import grpc
from pysqlite3 import dbapi2

import msgstate
from msgstate_server.cli.options import examples


@click.command("version", epilog=examples("msgstate version", "msgstate version --json"))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(as_json: bool) -> None:
    """Show the versions of msgstate and of what it runs on."""
    versions = {
        "msgstate": msgstate.__version__,
        "python": platform.python_version(),
        "grpc": grpc.__version__,
        "protobuf": google.protobuf.__version__,
        "sqlite": dbapi2.sqlite_version,
    }
    if as_json:
        click.echo(json.dumps(versions))
        return
    for name, version in versions.items():
        click.echo(f"{name:<9} {version}")
