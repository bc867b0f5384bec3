"""`msgstate quarantine`: what could not be understood, listed, shown, replayed after a mend, and discarded."""

from msgstate_server.cli.group import Commands
from msgstate_server.cli.options import examples

command = Commands(
    "quarantine",
    commands_in="msgstate_server.cli.quarantine",
    lines={
        "list": "List what could not be understood, the newest first.",
        "show": "Show one quarantined webhook: why, what was understood, and its body.",
        "replay": "Read quarantined webhooks again, after a mend.",
        "discard": "Throw quarantined webhooks away.",
    },
    help="""See and mend what could not be understood.

    An authenticated webhook that is not understood, or not in all its parts, is kept here and answered with 200. After
    a mend, most often a newer msgstate, it is replayed; what nobody needs is discarded.
    """,
    epilog=examples("msgstate quarantine list", "msgstate quarantine show 1", "msgstate quarantine replay --all"),
)
