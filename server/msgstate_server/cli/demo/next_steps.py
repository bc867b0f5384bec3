"""Commands for the one who has seen the play: each works when it is pasted while the demo serves."""

import json
from collections.abc import Iterator
from shlex import quote

from msgstate_server.cli.demo import play
from msgstate_server.cli.options import DEFAULT_SERVER, program

_WEBHOOK = {"events": [{"kind": "delivery", "recipient": "you@example.com", "message_id": "my-first"}]}
_EVENT = {
    "provider": "own",
    "messageId": "my-second",
    "recipient": "you@example.com",
    "type": "EVENT_TYPE_ACCEPTED",
}


def commands(grpc_address: str, http_address: str, store: str, basic: str) -> Iterator[str]:
    """The commands, one a line, and what each shows in a line before it that starts with `#`."""
    msgstate = program()
    server = "" if grpc_address == DEFAULT_SERVER else f" --server {grpc_address}"
    yield "  # what became of a message"
    yield f"  {msgstate} status {play.NEWSLETTER}{server}"
    yield "  # every event of a message, and what each of them did"
    yield f"  {msgstate} history {play.ORDER}{server}"
    yield "  # all that failed"
    yield f"  {msgstate} list --state FAILED{server}"
    yield "  # what could not be understood"
    yield f"  {msgstate} quarantine list{server}"
    yield "  # the first ten transitions (without --max: those, and then all that comes)"
    yield f"  {msgstate} watch --from earliest --max 10{server}"
    yield "  # only what failed, for a program"
    yield f"  {msgstate} watch --from earliest --to-state FAILED --max 3 --json{server}"
    yield "  # a webhook of your own, and what it did"
    yield f"  curl -sS -u {basic} -d {quote(json.dumps(_WEBHOOK))} http://{http_address}/webhooks/cloudmailin"
    yield f"  {msgstate} status my-first{server}"
    yield "  # an event of your own"
    yield f"  echo {quote(json.dumps(_EVENT))} | {msgstate} publish -{server}"
    yield f"  {msgstate} status my-second --json{server}"
    yield "  # prove that the store agrees with its log, while the server runs"
    yield f"  {msgstate} check --store {quote(store)}"
