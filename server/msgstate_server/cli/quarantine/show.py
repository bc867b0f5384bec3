"""`msgstate quarantine show`."""

from collections.abc import Iterator

import click

from msgstate import Quarantined
from msgstate.v1.admin_service_pb2 import QuarantinedEvent
from msgstate_server.cli.body import body_text, write_body
from msgstate_server.cli.options import IDS, examples, json_option, server_option
from msgstate_server.cli.quarantine.problems import problem_text, source
from msgstate_server.cli.server_call import connect
from msgstate_server.cli.text import event_words, json_line, printable, time_text

_DETAIL_WIDTH = 100


@click.command(
    "show",
    epilog=examples(
        "msgstate quarantine show 1",
        "msgstate quarantine show 1 --body >webhook.json",
        "msgstate quarantine show 1 --json",
    ),
)
@click.argument("id", type=IDS, metavar="ID")
@click.option("--body", "body_alone", is_flag=True, help="Print the body alone, into a pipe or a file byte by byte.")
@server_option
@json_option
def command(id: int, body_alone: bool, server: str, as_json: bool) -> None:  # noqa: A002  (the argument's name)
    """Show one quarantined webhook: why, what was understood, and its body.

    With --json the first line says what it is, and each further one is an event that is understood now; the body is
    printed by --body.
    """
    if body_alone and as_json:
        raise click.UsageError("--body and --json exclude each other.")
    with connect(server) as client:
        found = client.get_quarantined(id)
    if body_alone:
        write_body(found.body)
    elif as_json:
        for message in (found.payload, *found.events):
            click.echo(json_line(message))
    else:
        for line in _lines(found):
            click.echo(line)


def _lines(found: Quarantined) -> Iterator[str]:
    payload = found.payload
    yield f"id          {payload.id}"
    yield f"from        {source(payload)}"
    yield f"received    {time_text(payload.received_time)}"
    yield ""
    yield "not understood" if payload.problems else "understood all of it when it was last replayed"
    for problem in payload.problems:
        yield f"  {problem_text(problem)}"
    if found.events:
        yield "understood"
    for event in found.events:
        yield f"  {_event_text(event)}"
    yield ""
    yield f"body        {payload.body_size} bytes"
    yield body_text(found.body)


def _event_text(found: QuarantinedEvent) -> str:
    event = found.event
    place = f"#{found.position} in the log" if found.position else "not in the log: a replay publishes it"
    message = printable(f"{event.provider}/{event.message_id}  {event.recipient}")
    words = event_words(event, own_word=True, detail_width=_DETAIL_WIDTH)
    return f"{found.pointer or 'the whole body'}: {message}  {words}  ({place})"
