"""What servers wrote on standard error, and what of it only a bug makes them write."""

import json
import re
from typing import Final

from tests.robustness.history import Finding

_DISK: Final = (
    "the database cannot be written",
    "the database cannot be read",
    "the end of the log cannot be read",
    "the store cannot be reached: not ready until it can",
)
"""What a server may say where a disk fails, or its database is away."""
_CLIENT_LEFT: Final = re.compile(
    r"^ERROR:grpc\._cython\.cygrpc:ExecuteBatchError raised.*?^grpc\._cython\.cygrpc\.ExecuteBatchError[^\n]*$",
    re.MULTILINE | re.DOTALL,
)
"""What gRPC itself logs, traceback and all, where a connection is lost while a response goes out."""
_DATABASE: Final = ("deadlock detected", "violates")
_SHOWN: Final = 5


def faults_in(log: str) -> list[Finding]:
    """The first of the errors that have no excuse."""
    lines = log.splitlines()
    records = [json.loads(line) for line in lines if line.startswith("{")]
    told = [str(each) for each in records if each["level"] == "error" and each["event"] not in _DISK]
    rest = _CLIENT_LEFT.sub("", "\n".join(line for line in lines if not line.startswith("{")))
    told += [rest.strip()] if rest.strip() else []
    return [Finding("servers_log_no_fault", each[:2_000]) for each in told[:_SHOWN]]


def database_faults_in(log: str) -> list[Finding]:
    """The first of what only a bug makes a database log: what is locked and looked at in order breaks no constraint."""
    lines = log.splitlines()
    found = [number for number, line in enumerate(lines) if any(fault in line for fault in _DATABASE)]
    return [Finding("the_database_finds_no_fault", "\n".join(lines[at : at + 8])) for at in found[:_SHOWN]]
