"""The `msgstate` command. Each command lives in a module of its own, which is imported when the command is called."""

from msgstate_server.cli.group import Commands

_COMMANDS = {
    "serve": "Run the server.",
    "demo": "See it work: a server, two providers' webhooks and a watcher.",
    "status": "Show what became of a message.",
    "watch": "Follow every transition, from where you like.",
    "publish": "Publish events from JSON lines.",
    "check": "Prove that a store agrees with its own log.",
    "diagram": "Draw the lifecycle as a Mermaid state diagram.",
    "version": "Show the versions of msgstate and of what it runs on.",
}

main = Commands(
    "msgstate",
    commands_in="msgstate_server.cli",
    lines=_COMMANDS,
    help="""What became of every message you sent.

    Exit codes: 0 fine; 1 not found, or a check failed; 2 usage; 3 the server cannot be reached; 130 interrupted.
    """,
)
