"""The `msgstate` command. Each command lives in a module of its own, which is imported when the command is called."""

from msgstate_server.cli.group import Program

_COMMANDS = {
    "serve": "Run the server.",
    "demo": "See it work: a server, two providers' webhooks and a watcher.",
    "status": "Show what became of a message.",
    "history": "Show every event of a message, and what each of them did.",
    "list": "List recipients' statuses, the newest first.",
    "watch": "Follow every transition or every event, from where you like.",
    "publish": "Publish events from JSON lines, or a saved webhook.",
    "quarantine": "See and mend what could not be understood.",
    "payload": "Print the raw body that brought an event.",
    "check": "Prove that a store agrees with its own log.",
    "migrate": "Bring a store's schema up to date.",
    "compact-file": "Give the free space of a SQLite file back to the file system.",
    "copy": "Move a store into another database, SQLite or PostgreSQL.",
    "doctor": "Find what stands between this machine and a running service.",
    "diagram": "Draw the lifecycle as a Mermaid state diagram.",
    "completion": "Print a script that lets a shell complete commands.",
    "help": "Show what a command does and takes.",
    "version": "Show the versions of msgstate and of what it runs on.",
}

main = Program(
    "msgstate",
    commands_in="msgstate_server.cli",
    lines=_COMMANDS,
    help="""What became of every message you sent.

    Exit codes: 0 fine; 1 not found, or a check failed; 2 usage; 3 the server cannot be reached; 130 interrupted.
    """,
)
