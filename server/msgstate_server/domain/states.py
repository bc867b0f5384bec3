"""The states of one recipient of one message, and the evidence they rest on."""

from enum import IntEnum
from typing import Final


class State(IntEnum):
    """What a reader is told; the numbers are those of `msgstate.v1.State`."""

    UNSPECIFIED = 0
    QUEUED = 1
    SENT = 2
    DELIVERED = 3
    ENGAGED = 4
    FAILED = 5
    SUPPRESSED = 6


class Evidence(IntEnum):
    """The strongest evidence seen so far: the machine's states, in rising rank.

    A state may only rise, so it cannot depend on the order in which webhooks arrive.
    `ERRORED` and `FAILED` both show as `State.FAILED`: the first may still be overturned.
    """

    NONE = 0
    QUEUED = 1
    SENT = 2
    ERRORED = 3
    SUPPRESSED = 4
    DELIVERED = 5
    ENGAGED = 6
    FAILED = 7

    @property
    def state(self) -> State:
        """The public state that this evidence shows as."""
        return _STATE_OF[self]


_STATE_OF: Final = (
    State.UNSPECIFIED,
    State.QUEUED,
    State.SENT,
    State.FAILED,
    State.SUPPRESSED,
    State.DELIVERED,
    State.ENGAGED,
    State.FAILED,
)

NEEDS_ATTENTION: Final = (
    State.FAILED,
    State.SUPPRESSED,
    State.QUEUED,
    State.SENT,
    State.DELIVERED,
    State.ENGAGED,
)
"""States from the one most in need of attention to the one least: a message is in the first that a recipient is in."""
