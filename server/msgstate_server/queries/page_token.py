"""Page tokens: a place in one list, opaque to clients, refused where it is of another list. They never expire."""

import struct
from hashlib import blake2b
from typing import Final

import msgspec

from msgstate_server.domain.errors import InvalidRequest
from msgstate_server.domain.opaque_token import seal, unseal
from msgstate_server.domain.validation import Violation, shown

_VERSION: Final = 1
_LAYOUT: Final = struct.Struct(">B8sq")
_canonical: Final = msgspec.json.Encoder(order="deterministic")


class Listing:
    """What is listed: which rpc of which log, with which filter. The size of its pages is no part of it."""

    def __init__(self, log_id: bytes, kind: str, wanted: object) -> None:
        """`wanted` is the filter as it is understood, of sets where neither order nor doubles count."""
        self._digest = blake2b(_canonical.encode((log_id, kind, wanted)), digest_size=8).digest()

    def token(self, place: int | None) -> str:
        """The token that goes on from a place; empty where the list ends."""
        return "" if place is None else seal(_LAYOUT.pack(_VERSION, self._digest, place))

    def place(self, token: str) -> int | None:
        """The place that a client's token stands for, None where it is empty; raises `InvalidRequest`."""
        if not token:
            return None
        data = unseal(token)
        if data is None or len(data) != _LAYOUT.size or data[0] != _VERSION:
            raise _refused(f"must be a next_page_token that msgstate gave out, unchanged; found {shown(token)}")
        _, digest, place = _LAYOUT.unpack(data)
        if digest != self._digest:
            raise _refused("is of another list: go on with the filter that it was given out for, or start anew")
        return int(place)


def _refused(description: str) -> InvalidRequest:
    return InvalidRequest([Violation("page_token", description)])
