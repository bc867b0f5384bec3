"""`msgstate watch`."""

import logging
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import click

from msgstate import EARLIEST, NOW, Client, EventType, LogEntry, Start, State, Transition, Watch
from msgstate_server.cli.group import Failed
from msgstate_server.cli.options import (
    STATES,
    TYPES,
    choice_option,
    examples,
    json_option,
    label_options,
    provider_option,
    server_option,
    time_of,
    to_paste,
)
from msgstate_server.cli.server_call import connect, exact_id
from msgstate_server.cli.text import json_line, printable
from msgstate_server.cli.timeline import Timeline
from msgstate_server.cli.timeline_row import of_entry, of_transition

_TOKEN = re.compile(r"[\w-]{20,}", re.ASCII)
"""What a resume token looks like."""
_POINTS = {"earliest": EARLIEST, "now": NOW}


class Wanted(NamedTuple):
    """What to follow, and how it is printed."""

    events: bool
    providers: tuple[str, ...]
    message_ids: tuple[str, ...]
    recipients: tuple[str, ...]
    to_states: tuple[str, ...]
    types: tuple[str, ...]
    keep: Path | None
    as_json: bool
    server: str
    message_refs: tuple[str, ...]
    account: str
    metadata: tuple[str, str] | None

    def command_from(self, token: str) -> str:
        """The command that goes on after the token; it needs none where a file keeps it."""
        start = ("--keep", str(self.keep)) if self.keep else ("--from", token)
        options = [
            *(("--provider", value) for value in self.providers),
            *(("--message-id", value) for value in self.message_ids),
            *(("--recipient", value) for value in self.recipients),
            *(("--ref", value) for value in self.message_refs),
            *[("--account", self.account)] * bool(self.account),
            *[("--metadata", "=".join(self.metadata or ()))] * bool(self.metadata),
            *(("--to-state", value) for value in self.to_states),
            *(("--type", value) for value in self.types),
            *[("--events", "")] * self.events,
            *[("--json", "")] * self.as_json,
        ]
        return to_paste(("watch", *start), self.server, options)


@click.command(
    "watch",
    epilog=examples(
        "msgstate watch",
        "msgstate watch --from earliest --to-state FAILED --to-state SUPPRESSED",
        "msgstate watch --from 2026-11-21T09:00:00Z --provider emailit --json",
        "msgstate watch --from earliest --max 10",
        "msgstate watch --events --type COMPLAINED --type UNSUBSCRIBED",
        "msgstate watch --from earliest --keep watch.token --json",
    ),
)
@click.option(
    "--from",
    "start",
    default="now",
    show_default=True,
    metavar="WHERE",
    help="`earliest`, `now`, a resume token, or an ISO 8601 time (local, if it names no offset).",
)
@click.option("--events", is_flag=True, help="Follow every event, whether it moved a state or not.")
@provider_option("providers", multiple=True, help="Only this provider; can be repeated, as those below.")
@click.option(
    "--message-id", "message_ids", multiple=True, metavar="ID", help="Only this message, by its id or an alias."
)
@click.option("--recipient", "recipients", multiple=True, metavar="ADDRESS", help="Only this recipient.")
@click.option("--ref", "message_refs", multiple=True, metavar="REF", help="Only the message with this ref.")
@label_options
@choice_option("--to-state", "to_states", STATES, "Only what leads to this state")
@choice_option("--type", "types", TYPES, "With --events: only events of this type", "EVENT_TYPE_")
@click.option("--max", "maximum", metavar="N", type=click.IntRange(min=1), help="End after so many.")
@click.option(
    "--keep",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Keep in this file how far the watch is. Where it is there, go on from it, and not from --from.",
)
@server_option
@json_option
def command(  # noqa: PLR0913  (one parameter per option)
    *,
    start: str,
    events: bool,
    providers: tuple[str, ...],
    message_ids: tuple[str, ...],
    recipients: tuple[str, ...],
    to_states: tuple[str, ...],
    types: tuple[str, ...],
    message_refs: tuple[str, ...],
    account: str,
    metadata: tuple[str, str] | None,
    maximum: int | None,
    keep: Path | None,
    server: str,
    as_json: bool,
) -> None:
    """Follow every transition or every event, from where you like.

    One line per transition: its time, its place in the log, message, recipient, the state before and after, and why.
    With --events one line per event, as `msgstate history` prints them. Where the server goes away the watch waits for
    it, and goes on where it stopped. When it ends, by itself or by Ctrl-C, the command that resumes it where it stopped
    is printed on standard error.
    """
    if types and not events:
        raise click.UsageError("--type needs --events: transitions are followed by the state they lead to.")
    wanted = Wanted(
        events,
        providers,
        message_ids,
        recipients,
        to_states,
        types,
        keep,
        as_json,
        server,
        message_refs,
        account,
        metadata,
    )
    with connect(server) as client:
        wanted = wanted._replace(message_ids=tuple(exact_id(client, each) for each in message_ids))
        watch = _watch_events(client, wanted, start, maximum) if events else _watch(client, wanted, start, maximum)
        with _resumable(watch, wanted):
            _follow(watch, maximum, as_json)


class OneLine(logging.Formatter):
    """What the client logs may hold a server's text."""

    def format(self, record: logging.LogRecord) -> str:
        """The record on one line, without power over a terminal."""
        return printable(super().format(record))


@contextmanager
def _resumable(watch: Watch[Transition] | Watch[LogEntry], wanted: Wanted) -> Iterator[None]:
    """Open the watch, say where it loses its server and finds it again, and at the end how to resume it."""
    saying = logging.StreamHandler()
    saying.setFormatter(OneLine("msgstate: %(message)s"))
    client_log = logging.getLogger("msgstate")
    client_log.addHandler(saying)
    opened = False
    try:
        with watch:
            opened = True
            yield
    except (OSError, ValueError) as error:
        if wanted.keep is None or (error.filename is None if isinstance(error, OSError) else opened):
            raise
        reason = error.strerror if isinstance(error, OSError) else "it holds something else"
        raise Failed(f"cannot keep the watch's place in {wanted.keep} ({reason}): name another file") from error
    finally:
        client_log.removeHandler(saying)
        if opened:
            click.echo(printable(f"resume with: {wanted.command_from(watch.resume_token)}"), err=True)


def _watch(client: Client, wanted: Wanted, start: str, maximum: int | None) -> Watch[Transition]:
    return client.watch(
        _start(start),
        providers=wanted.providers,
        message_ids=wanted.message_ids,
        recipients=wanted.recipients,
        message_refs=wanted.message_refs,
        account=wanted.account,
        metadata=dict([wanted.metadata]) if wanted.metadata else None,
        to_states=_states(wanted),
        max_batch_size=_batch_size(maximum),
        keep=wanted.keep,
    )


def _watch_events(client: Client, wanted: Wanted, start: str, maximum: int | None) -> Watch[LogEntry]:
    return client.watch_events(
        _start(start),
        providers=wanted.providers,
        message_ids=wanted.message_ids,
        recipients=wanted.recipients,
        message_refs=wanted.message_refs,
        account=wanted.account,
        metadata=dict([wanted.metadata]) if wanted.metadata else None,
        to_states=_states(wanted),
        types=[EventType.Value(f"EVENT_TYPE_{name}") for name in wanted.types],
        max_batch_size=_batch_size(maximum),
        keep=wanted.keep,
    )


def _states(wanted: Wanted) -> list[State.ValueType]:
    return [State.Value(f"STATE_{state}") for state in wanted.to_states]


def _batch_size(maximum: int | None) -> int:
    """One by one where the watch ends by itself, so that the last token covers what was printed and no more."""
    return 1 if maximum else 0


def _start(text: str) -> Start:
    if not text:
        raise click.UsageError("--from must not be empty.")
    start = _POINTS.get(text) or time_of(text)
    if start is None and not _TOKEN.fullmatch(text):
        forms = "`earliest`, `now`, a resume token or an ISO 8601 time within the years from 1 to 9999"
        raise click.UsageError(f"--from must be {forms}; found {printable(text)!r}.")
    return start or text


def _follow(watch: Iterable[Transition | LogEntry], maximum: int | None, as_json: bool) -> None:
    """Print what comes, until there were so many."""
    timeline = Timeline(with_message=True)
    for item in islice(watch, min(maximum, sys.maxsize) if maximum else None):
        if as_json:
            click.echo(json_line(item))
        else:
            timeline.show(of_transition(item) if isinstance(item, Transition) else of_entry(item))
