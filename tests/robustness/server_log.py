"""What servers wrote on standard error, and what of it only a bug makes them write."""

import json
import re
from typing import Final

from tests.robustness.history import Finding

_DISK: Final = ("the database cannot be written", "the database cannot be read", "the end of the log cannot be read")
"""What a server may say where a disk fails, or its database is away."""
_CLIENT_LEFT: Final = re.compile(
    r"^ERROR:grpc\._cython\.cygrpc:ExecuteBatchError raised.*?^grpc\._cython\.cygrpc\.ExecuteBatchError[^\n]*$",
    re.MULTILINE | re.DOTALL,
)
"""What gRPC itself logs, traceback and all, where a connection is lost while a response goes out."""
_DEADLOCK: Final = "deadlock detected"
_SHOWN: Final = 5


def faults_in(log: str) -> list[Finding]:
    """The first of the errors that have no excuse."""
    lines = log.splitlines()
    records = [json.loads(line) for line in lines if line.startswith("{")]
    told = [str(each) for each in records if each["level"] == "error" and each["event"] not in _DISK]
    rest = _CLIENT_LEFT.sub("", "\n".join(line for line in lines if not line.startswith("{")))
    told += [rest.strip()] if rest.strip() else []
    return [Finding("servers_log_no_fault", each[:2_000]) for each in told[:_SHOWN]]


def deadlocks_in(log: str) -> list[Finding]:
    """The first of the deadlocks that a database noticed; what is locked in one order never waits in a circle."""
    lines = log.splitlines()
    found = [number for number, line in enumerate(lines) if _DEADLOCK in line]
    return [Finding("nobody_waits_in_a_circle", "\n".join(lines[at : at + 8])) for at in found[:_SHOWN]]
