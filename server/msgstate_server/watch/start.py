"""Where a watch starts: a token, a time or an end of the log, checked against the log as it is."""

from enum import Enum, auto
from typing import Final

from msgstate_server.domain.errors import HistoryDiverged
from msgstate_server.domain.log import Head
from msgstate_server.store.protocol import Store
from msgstate_server.watch.token import Token


class StartPoint(Enum):
    """An end of the log."""

    EARLIEST = auto()
    NOW = auto()


Start = Token | int | StartPoint
"""A token, a time in microseconds since 1970, or an end of the log."""

_DIVERGED: Final = "read the statuses anew and watch from the token that comes with them"


async def resolve(store: Store, start: Start) -> Token:
    """The place after which a watch begins; raises `PositionCompacted` or `HistoryDiverged` where there is none."""
    # What the store saw last is behind for a moment, and a token of what was committed since must be good.
    head = await store.read_head()
    match start:
        case Token():
            await _verify(store, head, start)
            return start
        case StartPoint.NOW:
            return Token.at(head)
        case StartPoint.EARLIEST:
            return Token(head.log_id, head.floor, head.floor_fingerprint)
        case _:
            return await _resolve_time(store, head, start)


async def _verify(store: Store, head: Head, token: Token) -> None:
    if token.log_id != head.log_id:
        raise HistoryDiverged(f"the token is of another log; {_DIVERGED}")
    if token.position > head.position:
        raise HistoryDiverged(
            f"the token is of position {token.position} and the log ends at {head.position}: it was restored from a "
            f"copy, or lost its end; {_DIVERGED}"
        )
    if token.fingerprint != await _fingerprint_at(store, head, token.position):
        raise HistoryDiverged(
            f"position {token.position} holds another event than when the token was given out: the log was restored "
            f"from a copy; {_DIVERGED}"
        )


async def _resolve_time(store: Store, head: Head, start_time: int) -> Token:
    if start_time > head.commit_time:
        return Token.at(head)
    return Token(head.log_id, *await store.last_before(start_time))


async def _fingerprint_at(store: Store, head: Head, position: int) -> bytes:
    """Most tokens are of the head, which is known; the floor may have moved since."""
    return head.fingerprint if position == head.position else await store.fingerprint_at(position)
