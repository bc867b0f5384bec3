"""Named places where a test can make this process die, stall or fail; in a server that users run none is armed.

The places are where a crash must not show: between the steps of a write, of retention, of what a watch sends, and of a
copy.
"""

from collections.abc import Callable
from typing import Final

FAILPOINTS: Final = (
    "write.before_begin",
    "write.after_begin",
    "write.after_load",
    "write.after_bodies",
    "write.after_statuses",
    "write.after_events",
    "write.after_aliases",
    "write.after_head",
    "write.after_commit",
    "write.before_answer",
    "write.after_answer",
    "compact.before_begin",
    "compact.after_begin",
    "compact.after_events",
    "compact.after_statuses",
    "compact.after_floor",
    "compact.after_commit",
    "forget.before_begin",
    "forget.after_begin",
    "forget.after_statuses",
    "forget.after_commit",
    "discard.before_begin",
    "discard.after_begin",
    "discard.after_payloads",
    "discard.after_commit",
    "watch.before_send",
    "watch.after_send",
    "watch.before_checkpoint",
    "watch.after_checkpoint",
    "copy.after_begin",
    "copy.after_batch",
    "copy.after_standing",
    "copy.after_proof",
    "copy.after_finish",
)
"""Every place there is. One after a step is also the one before the next."""

_armed: dict[str, Callable[[], None]] = {}


def failpoint(name: str) -> None:
    """Mark a place: what it is armed with runs there, in the thread that comes by."""
    if _armed and name in _armed:
        _armed[name]()


def arm(name: str, action: Callable[[], None]) -> None:
    """Run `action` whenever the place is reached; raises `ValueError` where there is no such place."""
    if name not in FAILPOINTS:
        raise ValueError(f"there is no failpoint {name!r}")
    _armed[name] = action
