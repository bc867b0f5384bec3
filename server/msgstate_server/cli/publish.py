"""`msgstate publish`."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO, Final, NamedTuple

import click
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError

from msgstate.v1 import event_pb2, event_service_pb2, event_service_pb2_grpc
from msgstate_server.cli.options import examples, json_option, server_option
from msgstate_server.cli.server_call import CALL_SECONDS, connect
from msgstate_server.cli.text import printable, words
from msgstate_server.domain.limits import BATCH_BYTES, EVENT_BYTES

BATCH_LINES: Final = 500

_OVERHEAD: Final = 8
"""Bytes of a request that one event takes beside its own."""
_COUNTED: Final = {"accepted": "accepted", "duplicate": "duplicates", "refused": "refused"}


class Line(NamedTuple):
    """One line of the input, and the event in it or the result that refuses it."""

    number: int
    event: event_pb2.Event
    refused: event_service_pb2.EventResult | None


@click.command(
    "publish",
    epilog=examples(
        "msgstate publish events.jsonl",
        """echo '{"provider": "own", "messageId": "m1", "recipient": "a@b.example", "type": "EVENT_TYPE_SENT"}' |""",
        "  msgstate publish -",
        "msgstate publish --json events.jsonl",
    ),
)
@click.argument("file", type=click.File("rb"))
@server_option
@json_option
def command(file: BinaryIO, server: str, as_json: bool) -> None:
    """Publish events from JSON lines.

    FILE has one msgstate.v1.Event per line, in the JSON form of Protocol Buffers; `-` is standard input. A bad line is
    refused by itself, with its number and every field that breaks a rule; the others go on. It is safe to publish a
    file again: what is in the log already counts as a duplicate. Exits with 1 where any line was refused.
    """
    counts: Counter[str] = Counter()
    try:
        with connect(server) as channel:
            stub = event_service_pb2_grpc.EventServiceStub(channel)
            for batch in _batches(_read(number, text) for number, text in enumerate(file, 1) if text.strip()):
                for line, result in zip(batch, _publish(stub, batch), strict=True):
                    counts[_disposition(result)] += 1
                    _show(line.number, result, as_json)
    finally:
        click.echo(", ".join(f"{counts[word]} {shown}" for word, shown in _COUNTED.items()), err=as_json)
    if counts["refused"]:
        raise click.exceptions.Exit(1)


def _read(number: int, text: bytes) -> Line:
    event = event_pb2.Event()
    try:
        value = json.loads(text)
        if not isinstance(value, dict):
            return Line(number, event, _refusal("must be one JSON object, an Event"))
        ParseDict(value, event)
    except (ValueError, RecursionError, ParseError) as error:
        # protobuf goes on to list every field there is, on lines of its own.
        return Line(number, event, _refusal(f"is not an Event in JSON: {str(error).partition(chr(10))[0]}"))
    if event.ByteSize() > EVENT_BYTES:
        return Line(number, event, _refusal(f"an event must be at most {EVENT_BYTES} bytes; found {event.ByteSize()}"))
    return Line(number, event, None)


def _refusal(description: str) -> event_service_pb2.EventResult:
    return event_service_pb2.EventResult(
        disposition=event_service_pb2.DISPOSITION_REFUSED,
        violations=[event_service_pb2.FieldViolation(description=description)],
    )


def _batches(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """Cut the lines so that no batch is over the server's limits."""
    batch: list[Line] = []
    size = 0
    for line in lines:
        grown = size + line.event.ByteSize() + _OVERHEAD
        if len(batch) == BATCH_LINES or grown > BATCH_BYTES:
            yield batch
            batch, grown = [], line.event.ByteSize() + _OVERHEAD
        batch.append(line)
        size = grown
    if batch:
        yield batch


def _publish(
    stub: event_service_pb2_grpc.EventServiceStub, batch: Sequence[Line]
) -> Iterator[event_service_pb2.EventResult]:
    """What became of each line."""
    request = event_service_pb2.PublishEventsRequest(events=[line.event for line in batch if line.refused is None])
    results: Iterator[event_service_pb2.EventResult] = iter(())
    if request.events:
        results = iter(stub.PublishEvents(request, timeout=CALL_SECONDS).results)
    for line in batch:
        yield next(results) if line.refused is None else line.refused


def _disposition(result: event_service_pb2.EventResult) -> str:
    return words(event_service_pb2.Disposition.DESCRIPTOR, "DISPOSITION_", result.disposition)


def _show(number: int, result: event_service_pb2.EventResult, as_json: bool) -> None:
    """Print one result: all of them as JSON, only the refused ones as text."""
    for violation in result.violations:
        # A field's path starts at the request, of which the user of a file knows nothing.
        violation.field = violation.field.partition("].")[2]
    if as_json:
        click.echo(json.dumps({"line": number} | MessageToDict(result)))
        return
    for violation in result.violations:
        field = f"{violation.field}: " if violation.field else ""
        click.echo(printable(f"line {number}: {field}{violation.description}"))
