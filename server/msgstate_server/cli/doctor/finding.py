"""What the doctor says of one thing."""

from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """The service starts, and something in it will not do what one may expect."""
    FAILED = "failed"
    """The service does not start, or must not."""


class Finding(NamedTuple):
    """One line: how bad, of what, what was found, and the mend where there is one."""

    level: Level
    subject: str
    found: str
    mend: str = ""


def ok(subject: str, found: str) -> Finding:
    """Nothing to do."""
    return Finding(Level.OK, subject, found)


def warning(subject: str, found: str, mend: str) -> Finding:
    """Something to know."""
    return Finding(Level.WARNING, subject, found, mend)


def failed(subject: str, found: str, mend: str) -> Finding:
    """Something to mend first."""
    return Finding(Level.FAILED, subject, found, mend)
