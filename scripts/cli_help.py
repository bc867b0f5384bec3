"""Print docs/cli.md: every command's own help."""
# ruff: noqa: INP001  (a script, not a package)

import sys

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
  `status` prints a `GetMessageStatusResponse`, `watch` a `Transition` per line, `publish` an `EventResult` with its
  `line`; `publish` takes an `Event` per line in the same form.
- Colours and tables appear in a terminal only, and no colours where `NO_COLOR` is set.

[json]: https://protobuf.dev/programming-guides/json/
"""


def page() -> str:
    """The whole page."""
    context = click.Context(main, info_name="msgstate", terminal_width=_WIDTH, help_option_names=_HELP)
    sections = [_INTRODUCTION, _section("msgstate", main.get_help(context))]
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        own = click.Context(command, parent=context, info_name=name, terminal_width=_WIDTH)
        sections.append(_section(f"msgstate {name}", command.get_help(own)))
    return "\n".join(sections)


def _section(title: str, text: str) -> str:
    return f"## {title}\n\n```text\n{text}\n```\n"


if __name__ == "__main__":
    sys.stdout.write(page())
