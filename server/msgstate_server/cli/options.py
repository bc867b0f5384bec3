"""Options that several commands share, and how a command shows its examples."""

import shlex
import shutil
import sys
from pathlib import Path
from typing import Final

import click

from msgstate_server.settings import Settings, SettingsError, split_address

DEFAULT_SERVER: Final = Settings().grpc


def _address(_: click.Context, __: click.Parameter, value: str) -> str:
    try:
        split_address("server", value)
    except SettingsError as error:
        raise click.BadParameter(str(error).removeprefix("server: ")) from error
    return value


server_option = click.option(
    "--server",
    envvar="MSGSTATE_SERVER",
    default=DEFAULT_SERVER,
    metavar="HOST:PORT",
    show_default=True,
    show_envvar=True,
    callback=_address,
    help="The server's gRPC address.",
)

json_option = click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print one JSON object per line, in the JSON form of Protocol Buffers.",
)


def examples(*lines: str) -> str:
    """The end of a command's help: lines to paste."""
    return "\n".join(("\b", "Examples:", *(f"  {line}" for line in lines)))


def program() -> str:
    """How this program was called, so that what is printed works when it is pasted."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return f"{shlex.quote(sys.executable)} -m msgstate_server"
    found = shutil.which(called.name)
    if found and Path(found).resolve() == called.resolve():
        return called.name
    return shlex.quote(sys.argv[0])
