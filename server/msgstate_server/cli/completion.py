"""`msgstate completion`."""

from typing import Final

import click
from click.shell_completion import ShellComplete, get_completion_class

from msgstate_server.cli.options import examples

PROGRAM: Final = "msgstate"


@click.command(
    "completion",
    epilog=examples(
        "source <(msgstate completion bash)",
        "msgstate completion bash >>~/.bashrc",
        "msgstate completion zsh >>~/.zshrc",
        "msgstate completion fish >~/.config/fish/completions/msgstate.fish",
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print a script that lets a shell complete commands.

    It completes commands, options, and the values of those that take states, event types or providers. The shell must
    find `msgstate` on its PATH.
    """
    found = get_completion_class(shell)
    assert found is not None  # noqa: S101  (click knows each of the shells above)
    completion = found(ctx.find_root().command, {}, PROGRAM, f"_{PROGRAM.upper()}_COMPLETE")
    # Of bash click would first start the one on PATH, to see whether it is new enough.
    click.echo(ShellComplete.source(completion))
