"""`msgstate quarantine replay`."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

import click

from msgstate import Client
from msgstate.v1.admin_service_pb2 import ReplayResult
from msgstate.v1.event_service_pb2 import EventResult
from msgstate_server.cli.group import FAILED
from msgstate_server.cli.options import examples, json_option, server_option
from msgstate_server.cli.quarantine.choosing import check_choice, choosing, chosen
from msgstate_server.cli.quarantine.problems import problem_text
from msgstate_server.cli.server_call import connect
from msgstate_server.cli.text import disposition_word, json_line, printable
from msgstate_server.domain.errors import ResponseTooLarge

_IDS: Final = 10
"""In one call: fewer than it may hold, since each is read and committed before the call's deadline."""
_COUNTED: Final = {"accepted": "accepted", "duplicate": "duplicates", "refused": "refused", "problems": "problems"}


@click.command(
    "replay",
    epilog=examples("msgstate quarantine replay 1 2", "msgstate quarantine replay --all --json"),
)
@choosing
@server_option
@json_option
def command(ids: tuple[int, ...], everything: bool, provider: str, server: str, as_json: bool) -> None:
    """Read quarantined webhooks again, after a mend.

    What is understood now is published as it would have been when the webhook came; of each webhook it says what every
    part became, and what is still not understood. It is safe to repeat: what is in the log already is a duplicate.
    Exits with 1 where problems remain.
    """
    check_choice(ids, everything, provider)
    counts: Counter[str] = Counter()
    with connect(server) as client:
        for result in _replayed(client, chosen(client, ids, provider)):
            _count(counts, result)
            for line in [json_line(result)] if as_json else _lines(result):
                click.echo(line)
    shown = (f"{counts[word]} {name}" for word, name in _COUNTED.items())
    click.echo(f"{counts['replayed']} replayed: {', '.join(shown)}", err=as_json)
    if counts["problems"]:
        raise click.exceptions.Exit(FAILED)


def _replayed(client: Client, ids: Sequence[int]) -> Iterator[ReplayResult]:
    """The result of each, those that one answer has no room for asked for again."""
    waiting = list(ids)
    while waiting:
        results = client.replay_quarantined(waiting[:_IDS]).results
        left_out = [result.id for result in results if result.error.reason == ResponseTooLarge.reason]
        if len(left_out) == len(results):
            left_out = []
        waiting = left_out + waiting[_IDS:]
        yield from (result for result in results if result.id not in left_out)


def _count(counts: Counter[str], result: ReplayResult) -> None:
    counts["replayed"] += not result.HasField("error")
    counts["problems"] += len(result.problems) + result.HasField("error")
    counts.update(disposition_word(outcome.disposition) for outcome in result.results)


def _lines(result: ReplayResult) -> Iterator[str]:
    """What each part became."""
    if result.HasField("error"):
        yield f"{result.id}  {printable(f'{result.error.reason}: {result.error.message}')}"
        return
    for outcome in result.results:
        yield f"{result.id}  {printable(outcome.pointer) or 'the whole body'}: {_outcome_text(outcome)}"
    for problem in result.problems:
        yield f"{result.id}  {problem_text(problem)}"
    if not result.results and not result.problems:
        yield f"{result.id}  nothing in it is tracked"


def _outcome_text(outcome: EventResult) -> str:
    broken = "; ".join(f"{found.field} {found.description}" for found in outcome.violations)
    return printable(broken) if broken else f"{disposition_word(outcome.disposition)}, #{outcome.position} in the log"
