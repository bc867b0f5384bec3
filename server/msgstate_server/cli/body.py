"""A body that a provider posted: its bytes for a pipe, and text without power for a terminal."""

import json
import sys
from contextlib import suppress

import click

from msgstate_server.cli.text import printable


def write_body(body: bytes) -> None:
    """Print a body alone: into a pipe or a file as it came, byte by byte."""
    if sys.stdout.isatty():
        click.echo(_lines(body.decode(errors="replace")))
    else:
        sys.stdout.buffer.write(body)


def body_text(body: bytes) -> str:
    """The body as lines of text; in a terminal JSON that is valid is laid out."""
    text = body.decode(errors="replace")
    if sys.stdout.isatty():
        with suppress(ValueError, RecursionError):
            text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    return _lines(text)


def _lines(text: str) -> str:
    return "\n".join(printable(line.replace("\t", "    ")) for line in text.splitlines())
