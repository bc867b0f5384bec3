import re

import click

from msgstate_server.cli.serve import command
from msgstate_server.settings import Settings
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "operations.md").read_text()
ROWS = re.findall(r"^\| `(\w+)` \| (?:`(--[\w-]+)`)? ?\| (?:`(\w+)`)? ?\| `?([^`|]+)`? \|$", PAGE, re.MULTILINE)


def test_the_table_of_settings_is_that_of_the_code() -> None:
    """The table in docs/operations.md has every setting with its flag, its variable and its default."""
    defaults = Settings()
    options = {option.name: option for option in command.params if isinstance(option, click.Option)}
    expected = [
        (name, options[name].opts[0], options[name].envvar, getattr(defaults, name))
        if name in options
        else (name, "", "", "none: every webhook is answered with 401")
        for name in Settings.__struct_fields__
    ]

    assert expected == [(key, flag, variable, default) for key, flag, variable, default in ROWS]
