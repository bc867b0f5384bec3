"""Calls to a server: one channel, and every way in which a call can fail as one line and an exit code."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, cast

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from msgstate_server.cli.group import USAGE, Failed
from msgstate_server.cli.text import printable

CALL_SECONDS: Final = 10.0
"""How long a single call may take."""
FAILED: Final = 1
UNREACHABLE: Final = 3

# A proxy for the web knows nothing of a server beside us.
_OPTIONS: Final = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.max_receive_message_length", 8 * 1_048_576),
)
_EXIT_CODES: Final = {
    grpc.StatusCode.UNAVAILABLE: UNREACHABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED: UNREACHABLE,
    grpc.StatusCode.INVALID_ARGUMENT: USAGE,
}


@contextmanager
def connect(server: str) -> Iterator[grpc.Channel]:
    """A channel to the server; what a call on it raises becomes `Failed`."""
    with grpc.insecure_channel(server, options=_OPTIONS) as channel:
        try:
            yield channel
        except grpc.RpcError as error:
            raise failure(error, server) from error


def failure(error: grpc.RpcError, server: str) -> Failed:
    """What a failed call means to the one who made it: the reason, the message, and each field that broke a rule."""
    code = error.code()
    reason, violations = _details(cast("grpc.Call", error))
    exit_code = _EXIT_CODES.get(code, FAILED)
    if exit_code == UNREACHABLE and not reason:
        return Failed(_unreachable(code, server), exit_code)
    message = "fields break rules:" if violations else printable(error.details() or "the server gave no message")
    return Failed("\n".join((f"{reason or code.name}: {message}", *violations)), exit_code)


def _details(error: grpc.Call) -> tuple[str, list[str]]:
    """The error's reason, and its field violations, where the server gave them."""
    status = rpc_status.from_call(error)
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details if status is not None else ():
        for message in (info, bad):
            detail.Unpack(message)
    return info.reason, [
        f"  {printable(found.field)}: {printable(found.description)}" for found in bad.field_violations
    ]


def _unreachable(code: grpc.StatusCode, server: str) -> str:
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return f"{code.name}: {server} did not answer within {CALL_SECONDS:.0f} s; try again, or look at its log"
    return f"{code.name}: no server answers at {server}; start one with `msgstate serve`, or name it with --server"
