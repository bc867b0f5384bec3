"""Resume tokens: *all of the log up to here*, opaque to clients, good with any filter."""

import struct
from typing import Final, NamedTuple

from msgstate_server.domain.errors import InvalidRequest
from msgstate_server.domain.log import Head, LogEntry
from msgstate_server.domain.opaque_token import seal, unseal
from msgstate_server.domain.validation import Violation, shown

_VERSION: Final = 1
_LAYOUT: Final = struct.Struct(">B16sq8s")


class Token(NamedTuple):
    """A place in one log, and what stood there: a log that was restored and grew again has another row."""

    log_id: bytes
    position: int
    fingerprint: bytes

    @classmethod
    def at(cls, head: Head) -> "Token":
        """The token of the head."""
        return cls(head.log_id, head.position, head.fingerprint)

    def through(self, entry: LogEntry) -> "Token":
        """The token that covers everything up to a later entry of the same log."""
        return Token(self.log_id, entry.position, entry.fingerprint)

    def encode(self) -> str:
        """The token as clients keep it: URL-safe text."""
        return seal(_LAYOUT.pack(_VERSION, *self))

    @classmethod
    def decode(cls, text: str) -> "Token":
        """Read a client's token; raises `InvalidRequest` where msgstate did not make it."""
        data = unseal(text)
        if data is not None and len(data) == _LAYOUT.size and data[0] == _VERSION:
            _, *fields = _LAYOUT.unpack(data)
            return cls(*fields)
        description = f"must be a token that msgstate gave out, unchanged; found {shown(text)}"
        raise InvalidRequest([Violation("resume_token", description)])
