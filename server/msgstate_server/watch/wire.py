"""How a watch's responses are written: each entry once for all who get it, and so many as a response may hold."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from msgstate_server.domain.limits import WATCH_RESPONSE_BYTES
from msgstate_server.domain.log import LogEntry
from msgstate_server.watch.token import Token


class Wire(Protocol):
    """One kind of watch as it is written. There is one object of each kind: what is written is shared by it."""

    def item(self, entry: LogEntry) -> bytes:
        """An entry as it stands in a response."""
        ...

    def response(self, items: Sequence[bytes], token: Token, live: bool, head_position: int) -> bytes:
        """A whole response."""
        ...


class Batch(NamedTuple):
    """One response of a watch, of so many entries; one of none is a checkpoint.

    `token` covers everything up to the batch's end. `live` says that this is all of the log there is.
    """

    data: bytes
    entries: int
    token: Token
    live: bool


def fitting(items: Iterable[bytes], most: int) -> list[bytes]:
    """The items that go into one response: at most so many, and one however large it is."""
    taken: list[bytes] = []
    size = 0
    for item in items:
        size += len(item)
        if taken and size > WATCH_RESPONSE_BYTES:
            break
        taken.append(item)
        if len(taken) == most:
            break
    return taken
