"""How far one step goes that deletes bodies, whichever engine holds them."""

from collections.abc import Sequence
from typing import Final, NamedTuple

_BODY_BYTES: Final = 4 * 1024 * 1024
"""Bytes of bodies after which a step deletes no more: 10 ms of freeing pages in SQLite."""


class Discarded(NamedTuple):
    """The bodies that a step deletes, and the one after which the next step looks; None where that was the end."""

    ids: list[int]
    next: int | None


def discarded(looked_at: Sequence[Sequence[int]], received_before: int, after: int, limit: int) -> Discarded:
    """Of the bodies behind `after` that were looked at, up to `limit`, as `(id, received time, bytes)`."""
    # A replay keeps a body anew that came long ago, so that an old one can be behind any number of younger ones.
    ids: list[int] = []
    size, last = 0, after
    for last, received_time, body_size in looked_at:
        if received_time < received_before:
            ids.append(last)
            size += body_size
            if size >= _BODY_BYTES:
                break
    is_end = len(looked_at) < limit and size < _BODY_BYTES
    return Discarded(ids, None if is_end else last)
