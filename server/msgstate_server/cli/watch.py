"""`msgstate watch`."""

import shlex
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final, NamedTuple

import click

from msgstate.v1 import log_pb2, message_status_service_pb2_grpc, status_pb2
from msgstate.v1 import message_status_service_pb2 as pb
from msgstate_server.cli.options import DEFAULT_SERVER, examples, json_option, program, server_option
from msgstate_server.cli.server_call import connect
from msgstate_server.cli.text import STATE_COLOURS, json_line, move_text, printable, time_text

_POINTS: Final = {"earliest": pb.START_POINT_EARLIEST, "now": pb.START_POINT_NOW}


class Wanted(NamedTuple):
    """Which transitions, and where from."""

    server: str
    providers: tuple[str, ...]
    message_ids: tuple[str, ...]
    recipients: tuple[str, ...]
    to_states: tuple[str, ...]
    as_json: bool

    def request(self, start: str, maximum: int | None) -> pb.WatchTransitionsRequest:
        """What to ask the server for."""
        request = pb.WatchTransitionsRequest(
            filter=pb.TransitionFilter(
                providers=self.providers,
                message_ids=self.message_ids,
                recipients=self.recipients,
                to_states=[status_pb2.State.Value(f"STATE_{state}") for state in self.to_states],
            ),
            # One by one, so that the last token covers what was printed and no more.
            max_batch_size=1 if maximum else 0,
        )
        _set_start(request, start)
        return request

    def command_from(self, token: str) -> str:
        """The command that goes on after the token."""
        options = [("--server", self.server)] if self.server != DEFAULT_SERVER else []
        options += [("--provider", value) for value in self.providers]
        options += [("--message-id", value) for value in self.message_ids]
        options += [("--recipient", value) for value in self.recipients]
        options += [("--to-state", value) for value in self.to_states]
        words = [f"{name} {shlex.quote(value)}" for name, value in options] + ["--json"] * self.as_json
        return " ".join((program(), "watch --from", token, *words))


@click.command(
    "watch",
    epilog=examples(
        "msgstate watch",
        "msgstate watch --from earliest --to-state FAILED --to-state SUPPRESSED",
        "msgstate watch --from 2026-11-21T09:00:00Z --provider emailit --json",
        "msgstate watch --from earliest --max 10",
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
@click.option("--provider", "providers", multiple=True, help="Only this provider; can be repeated, as those below.")
@click.option("--message-id", "message_ids", multiple=True, help="Only this message, by the provider's id.")
@click.option("--recipient", "recipients", multiple=True, help="Only this recipient.")
@click.option(
    "--to-state", "to_states", multiple=True, type=click.Choice(list(STATE_COLOURS), case_sensitive=False),
    help="Only transitions to this state.",
)  # fmt: skip
@click.option("--max", "maximum", type=click.IntRange(min=1), help="End after so many transitions.")
@server_option
@json_option
def command(  # noqa: PLR0913  (one parameter per option)
    *,
    start: str,
    providers: tuple[str, ...],
    message_ids: tuple[str, ...],
    recipients: tuple[str, ...],
    to_states: tuple[str, ...],
    maximum: int | None,
    server: str,
    as_json: bool,
) -> None:
    """Follow every transition, from where you like.

    One line per transition: its time, its place in the log, message, recipient, the state before and after, and why.
    When it ends, by itself or by Ctrl-C, the command that resumes it where it stopped is printed on standard error.
    """
    wanted = Wanted(server, providers, message_ids, recipients, to_states, as_json)
    request = wanted.request(start, maximum)
    token = ""
    try:
        with connect(server) as channel:
            stub = message_status_service_pb2_grpc.MessageStatusServiceStub(channel)
            for response in _up_to(maximum, stub.WatchTransitions(request)):
                _show(response.transitions, as_json)
                token = response.resume_token
    finally:
        if token:
            click.echo(f"resume with: {wanted.command_from(token)}", err=True)


def _set_start(request: pb.WatchTransitionsRequest, start: str) -> None:
    point = _POINTS.get(start)
    if point is not None:
        request.start_point = point
        return
    try:
        time = datetime.fromisoformat(start)
        request.start_time.FromDatetime(time.astimezone())
    except (ValueError, OverflowError):
        request.resume_token = start


def _up_to(
    maximum: int | None, responses: Iterable[pb.WatchTransitionsResponse]
) -> Iterator[pb.WatchTransitionsResponse]:
    """The responses, until so many transitions came."""
    seen = 0
    for response in responses:
        yield response
        seen += len(response.transitions)
        if maximum and seen >= maximum:
            return


def _show(transitions: Iterable[log_pb2.Transition], as_json: bool) -> None:
    for transition in transitions:
        if as_json:
            click.echo(json_line(transition))
        else:
            time = click.style(time_text(transition.commit_time, "milliseconds"), dim=True)
            message = printable(f"{transition.provider}/{transition.message_id}")
            click.echo(f"{time}  #{transition.position:<5}  {message:<32}  {move_text(transition)}")
