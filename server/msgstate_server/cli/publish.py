"""`msgstate publish`."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO, Final

import click
from google.protobuf.json_format import MessageToDict

from msgstate import Client
from msgstate.v1.event_service_pb2 import DISPOSITION_REFUSED, EventResult, FieldViolation
from msgstate_server.cli.group import FAILED
from msgstate_server.cli.options import examples, json_option, server_option
from msgstate_server.cli.progress import Progress
from msgstate_server.cli.publishing import Part, lines_of, read_webhook
from msgstate_server.cli.server_call import connect
from msgstate_server.cli.text import disposition_word, printable
from msgstate_server.domain.limits import BATCH_BYTES
from msgstate_server.webhooks.providers import PROVIDERS

_CALL_EVENTS: Final = 500
_OVERHEAD: Final = 8
"""Bytes of a request that one event takes beside its own."""
_COUNTED: Final = {"accepted": "accepted", "duplicate": "duplicates", "refused": "refused"}


@click.command(
    "publish",
    epilog=examples(
        "msgstate publish events.jsonl",
        """echo '{"provider": "own", "messageId": "m1", "recipient": "a@b.example", "type": "EVENT_TYPE_SENT"}' |""",
        "  msgstate publish -",
        "msgstate publish --json events.jsonl",
        "msgstate publish --provider cloudmailin webhook.json",
    ),
)
@click.argument("file", type=click.File("rb"))
@click.option("--provider", type=click.Choice(list(PROVIDERS)), metavar="NAME",
              help=f"FILE is the body of one of this provider's webhooks: {', '.join(PROVIDERS)}.")  # fmt: skip
@click.option("--account", default="", metavar="NAME", help="With --provider: the account that it was posted for.")
@server_option
@json_option
def command(file: BinaryIO, provider: str | None, account: str, server: str, as_json: bool) -> None:
    """Publish events from JSON lines, or a saved webhook.

    FILE has one msgstate.v1.Event per line, in the JSON form of Protocol Buffers; `-` is standard input. A bad line is
    refused by itself, with its number and every field that breaks a rule; the others go on. With --provider FILE is a
    webhook's body, which is read here as the server reads those that are posted; what is not understood is refused by
    its JSON pointer, and is not put into quarantine. It is safe to publish a file again: what is in the log already
    counts as a duplicate. Exits with 1 where anything was refused.
    """
    if account and not provider:
        raise click.UsageError("--account goes with --provider.")
    counts: Counter[str] = Counter()
    try:
        with connect(server) as client, Progress(file) as progress:
            parts: Iterable[Part] = lines_of(file)
            if provider:
                parts, counts["ignored"] = read_webhook(provider, account, file.read())
            for batch in _batches(parts):
                results = list(_publish(client, batch))
                # Counted before they are printed: whoever reads them may go away meanwhile.
                counts.update(disposition_word(result.disposition) for result in results)
                for part, result in zip(batch, results, strict=True):
                    _show(part, result, as_json)
                progress.advance(len(batch))
    finally:
        shown = [f"{counts[word]} {name}" for word, name in _COUNTED.items()]
        # Only of a webhook is anything ignored, on purpose: most kinds are nothing that becomes of a message.
        click.echo(", ".join(shown + [f"{counts['ignored']} ignored"] * bool(counts["ignored"])), err=as_json)
    if counts["refused"]:
        raise click.exceptions.Exit(FAILED)


def _batches(parts: Iterable[Part]) -> Iterator[list[Part]]:
    """Cut the parts so that no batch is over the server's limits."""
    batch: list[Part] = []
    size = 0
    for part in parts:
        grown = size + part.event.ByteSize() + _OVERHEAD
        if len(batch) == _CALL_EVENTS or grown > BATCH_BYTES:
            yield batch
            batch, grown = [], part.event.ByteSize() + _OVERHEAD
        batch.append(part)
        size = grown
    if batch:
        yield batch


def _publish(client: Client, batch: Sequence[Part]) -> Iterator[EventResult]:
    """What became of each part."""
    events = [part.event for part in batch if not part.refused]
    results = iter(client.publish_batch(events).results if events else ())
    for part in batch:
        if part.refused:
            violations = [FieldViolation(description=part.refused)]
            yield EventResult(disposition=DISPOSITION_REFUSED, violations=violations)
        else:
            yield next(results)


def _show(part: Part, result: EventResult, as_json: bool) -> None:
    """Print one result: all of them as JSON, only the refused ones as text."""
    for violation in result.violations:
        # A field's path starts at the request, of which the user of a file knows nothing.
        violation.field = violation.field.partition("].")[2]
    if as_json:
        click.echo(json.dumps({**part.place, **MessageToDict(result)}))
        return
    for violation in result.violations:
        field = f"{violation.field}: " if violation.field else ""
        click.echo(printable(f"{part.named()}{field}{violation.description}"))
