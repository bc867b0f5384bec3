"""Calls to a server: one client, and every way in which a call can fail as one line and an exit code."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import grpc

from msgstate import (
    Client,
    HistoryDiverged,
    MessageAmbiguous,
    MessageNotFound,
    MsgstateError,
    PositionCompacted,
)
from msgstate_server.cli.group import FAILED, UNREACHABLE, USAGE, Failed
from msgstate_server.cli.text import printable

CALL_SECONDS: Final = 10.0
"""How long a single call may take."""

_EXIT_CODES: Final = {
    grpc.StatusCode.UNAVAILABLE: UNREACHABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED: UNREACHABLE,
    grpc.StatusCode.INVALID_ARGUMENT: USAGE,
}


def exact_id(client: Client, message_id: str) -> str:
    """The provider's id of a message that is named by an alias; any other text as it is."""
    if not message_id:
        return ""
    try:
        return client.get_status(message_id).status.message_id
    except (MessageAmbiguous, MessageNotFound):
        return message_id


@contextmanager
def connect(server: str) -> Iterator[Client]:
    """A client of the server, whose first failure is final; what a call on it raises becomes `Failed`."""
    try:
        with Client(server, timeout=CALL_SECONDS, retry=False) as client:
            yield client
    except MsgstateError as error:
        raise failure(error, server) from error


def failure(error: MsgstateError, server: str) -> Failed:
    """What a failed call means to the one who made it: the reason, the message, and each field that broke a rule."""
    exit_code = _EXIT_CODES.get(error.code, FAILED)
    if exit_code == UNREACHABLE and not error.reason:
        return Failed(_unreachable(error.code, server), exit_code)
    violations = [f"  {printable(field)}: {printable(description)}" for field, description in error.violations]
    message = "fields break rules:" if violations else printable(_message(error))
    return Failed("\n".join((f"{error.reason or error.code.name}: {message}", *violations)), exit_code)


def _message(error: MsgstateError) -> str:
    """The error's text; what it says to programs about a place that is lost, as it is done with commands."""
    if not isinstance(error, HistoryDiverged | PositionCompacted):
        return str(error)
    return (
        f"{str(error).partition('; ')[0]}; what changed since cannot be told: look at `msgstate list`, then watch "
        "--from now or --from earliest; with --keep, remove its file first"
    )


def _unreachable(code: grpc.StatusCode, server: str) -> str:
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return f"{code.name}: {server} did not answer within {CALL_SECONDS:.0f} s; try again, or look at its log"
    return f"{code.name}: no server answers at {server}; start one with `msgstate serve`, or name it with --server"
