"""`msgstate status`."""

import sys
from collections.abc import Iterator

import click

from msgstate.v1 import message_status_service_pb2 as pb
from msgstate.v1 import message_status_service_pb2_grpc, status_pb2
from msgstate_server.cli.options import examples, json_option, server_option
from msgstate_server.cli.server_call import CALL_SECONDS, connect
from msgstate_server.cli.text import json_line, printable, reason_words, state_name, styled_state, time_text

_TIME = "_time"
_OF_THE_LOG = ("create_time", "update_time")


@click.command(
    "status",
    epilog=examples(
        "msgstate status b47c8008-84af-47aa-b39a-b0a3f358a0ee",
        "msgstate status 3131351548 --provider emailit --recipient ada@example.com",
        "msgstate status m1 --json",
    ),
)
@click.argument("message_id")
@click.option("--provider", default="", help="Only a message of this provider.")
@click.option("--recipient", default="", help="Only this recipient.")
@server_option
@json_option
def command(message_id: str, provider: str, recipient: str, server: str, as_json: bool) -> None:
    """Show what became of a message.

    MESSAGE_ID is the provider's id or any other id by which the sender knows the message. The message's own state is
    that of its recipient most in need of attention. Exits with 1 where there is no such message.
    """
    request = pb.GetMessageStatusRequest(message_id=message_id, provider=provider, recipient=recipient)
    with connect(server) as channel:
        stub = message_status_service_pb2_grpc.MessageStatusServiceStub(channel)
        response = stub.GetMessageStatus(request, timeout=CALL_SECONDS)
    if as_json:
        click.echo(json_line(response))
    else:
        show(response.status)


def show(status: status_pb2.MessageStatus) -> None:
    """Print a status: a table in a terminal, plain lines elsewhere."""
    for label, value in _headings(status):
        click.echo(f"{label:<11} {value}")
    if sys.stdout.isatty():
        from msgstate_server.cli.table import show_recipients  # noqa: PLC0415  (rich is slow to import)

        show_recipients([cells(recipient) for recipient in status.recipients])
        return
    for recipient in status.recipients:
        address, state, *rest = cells(recipient)
        click.echo(f"\n{address}  {state}")
        for line in (line for cell in rest for line in cell.splitlines()):
            click.echo(f"    {line}")


def _headings(status: status_pb2.MessageStatus) -> Iterator[tuple[str, str]]:
    yield "message", printable(f"{status.provider}/{status.message_id}")
    yield "state", styled_state(state_name(status.state))
    counts = ", ".join(f"{count.count} {state_name(count.state)}" for count in status.state_counts)
    total = sum(count.count for count in status.state_counts)
    yield "recipients", f"{total} ({counts})"
    if status.aliases:
        yield "also known", printable(", ".join(status.aliases))
    if status.recipients_truncated:
        yield "shown", f"the first {len(status.recipients)}"


def cells(status: status_pb2.RecipientStatus) -> tuple[str, str, str, str]:
    """One recipient: address, state, its times and its facts, a line each."""
    return (
        printable(status.recipient),
        state_name(status.state),
        "\n".join(_times(status)),
        "\n".join(_facts(status)),
    )


def _times(status: status_pb2.RecipientStatus) -> Iterator[str]:
    """Each time that is known, by its name."""
    for field, value in status.ListFields():
        if field.name.endswith(_TIME) and field.name not in _OF_THE_LOG:
            yield f"{field.name.removesuffix(_TIME).replace('_', ' '):<13}{time_text(value)}"


def _facts(status: status_pb2.RecipientStatus) -> Iterator[str]:
    if status.HasField("failure"):
        failure = status.failure
        why = reason_words(failure.reason, failure.smtp_code, failure.enhanced_code, failure.detail)
        yield f"{'failed for good' if failure.final else 'failed provisionally'}: {why or 'no reason given'}"
    if status.HasField("suppression"):
        why = reason_words(status.suppression.reason, 0, "", status.suppression.detail)
        yield f"suppressed: {why or 'no reason given'}"
    counts = (("opens", status.open_count), ("clicks", status.click_count))
    if any(count for _, count in counts):
        yield ", ".join(f"{label} {count}" for label, count in counts)
    yield f"version {status.version}, last moved at #{status.position}"
