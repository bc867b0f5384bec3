"""Print docs/cli.md: every command's own help."""
# ruff: noqa: INP001  (a script, not a package)

import sys
from collections.abc import Iterator

import click

from msgstate_server.cli import main

_WIDTH = 100
_HELP = main.context_settings["help_option_names"]
_INTRODUCTION = """\
# The command line

This page is printed by `scripts/cli_help.py`; a test holds it against what the commands say.

- Exit codes: 0 fine; 1 not found, or a check failed; 2 usage, or a request that breaks a rule; 3 the server cannot be
  reached or did not answer in time; 130 interrupted. `serve` and `demo` end with 0 when they are told to stop.
- Data goes to standard output, everything else to standard error. A failed call is its reason and its message in one
  line, and each field that breaks a rule in a line of its own.
- `--json` prints one object per line in the [JSON form of Protocol Buffers][json]: names in lowerCamelCase, enum values
  by name, 64-bit numbers as strings, times as RFC 3339, and what is empty left out.
  `status` prints a `GetMessageStatusResponse`, `list` a `RecipientStatus` per line, `history` and `watch --events` a
  `LogEntry`, `watch` a `Transition`, `publish` an `EventResult` with its `line` or `pointer`, `quarantine list` a
  `QuarantinedPayload`, `quarantine replay` a `ReplayResult`; `publish` takes an `Event` per line in the same form.
- Colours, tables and progress bars appear in a terminal only, and no colours where `NO_COLOR` is set. In a pipe every
  row is one line; columns are two spaces or more apart, and an empty one is `-`.
- What providers told is shown without line breaks and control characters, so it has no power over a terminal.
  `payload` and `quarantine show --body` print bytes as they came into a pipe or a file.
- `source <(msgstate completion bash)` completes commands, options and their values; `zsh` and `fish` have theirs.

[json]: https://protobuf.dev/programming-guides/json/
"""


def page() -> str:
    """The whole page."""
    context = click.Context(main, info_name="msgstate", terminal_width=_WIDTH, help_option_names=_HELP)
    return "\n".join((_INTRODUCTION, *_sections(main, context)))


def _sections(command: click.Command, context: click.Context) -> Iterator[str]:
    """The command's own help, then that of each command in it."""
    yield f"## {context.command_path}\n\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            if (inner := command.get_command(context, name)) is not None:
                own = click.Context(inner, parent=context, info_name=name, terminal_width=_WIDTH)
                yield from _sections(inner, own)


if __name__ == "__main__":
    sys.stdout.write(page())
