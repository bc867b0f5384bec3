"""A group of commands that imports only the one that is called, so that `msgstate --help` is quick."""

import os
import sys
from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from io import TextIOWrapper
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

FAILED: Final = 1
USAGE: Final = 2
UNREACHABLE: Final = 3
INTERRUPTED: Final = 130


class Failed(click.ClickException):
    """A command that failed in a way its user can mend: one line on standard error and an exit code."""

    def __init__(self, message: str, exit_code: int = FAILED) -> None:
        """Say what failed and the mend."""
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click means it for the class

    def show(self, file: Any = None) -> None:
        """Print the line."""
        click.echo(f"msgstate: {self.message}", file=file, err=True)


class Commands(click.Group):
    """Knows each command by its line of help; its module has a `command`."""

    def __init__(self, name: str, *, commands_in: str, lines: Mapping[str, str], **attributes: Any) -> None:
        """Name the package that has one module per command."""
        context = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
        super().__init__(name, context_settings=context, **attributes)
        self._package = commands_in
        self._lines = lines

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every name, in the order in which a newcomer needs them."""
        return list(self._lines)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command."""
        if cmd_name not in self._lines:
            return None
        # Its own log, which is read at import, would come between what we say.
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")
        command = import_module(f"{self._package}.{cmd_name.replace('-', '_')}").command
        assert isinstance(command, click.Command)  # noqa: S101
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one was probably meant."""
        if args and args[0] not in self._lines and not args[0].startswith("-"):
            close = get_close_matches(args[0], self._lines, n=1)
            meant = f" Did you mean {close[0]!r}?" if close else f" See `{ctx.command_path} --help`."
            raise click.UsageError(f"No such command {args[0]!r}.{meant}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self._lines.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the name of a command without importing any."""
        found = [CompletionItem(name, help=line) for name, line in self._lines.items() if name.startswith(incomplete)]
        return found + click.Command.shell_complete(self, ctx, incomplete)


def _show_version(ctx: click.Context, _: click.Parameter, is_asked: bool) -> None:
    if is_asked and not ctx.resilient_parsing:
        from msgstate import __version__  # noqa: PLC0415  (it brings gRPC, which is slow to import)

        click.echo(f"msgstate {__version__}")
        ctx.exit()


class Program(Commands):
    """The outermost group, through which every command runs."""

    def __init__(self, name: str, **attributes: Any) -> None:
        """See `Commands`."""
        show = click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_show_version,
            help="Show the version of msgstate and exit.",
        )
        super().__init__(name, params=[show], **attributes)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an interrupt ends it without a word."""
        for stream in (sys.stdout, sys.stderr):
            # What providers tell may hold characters that this terminal's encoding has not.
            if isinstance(stream, TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        if os.environ.get("NO_COLOR"):
            ctx.color = False
        for argument in sys.argv[1:]:
            # An argument whose bytes are not UTF-8 stands as halves of characters, which no server takes.
            if not argument.isprintable() and any("\ud800" <= character <= "\udfff" for character in argument):
                raise Failed(f"the argument {argument!a} is not UTF-8", USAGE)
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise click.exceptions.Exit(INTERRUPTED) from None
