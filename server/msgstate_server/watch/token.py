"""Resume tokens: *all of the log up to here*, opaque to clients, good with any filter."""

import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b
from typing import Final, NamedTuple

from msgstate_server.domain.errors import InvalidRequest
from msgstate_server.domain.log import Head
from msgstate_server.domain.validation import Violation, shown

_VERSION: Final = 1
_LAYOUT: Final = struct.Struct(">B16sq8s")
_CHECK_BYTES: Final = 4
_TEXT_LENGTH: Final = 52
"""Base64 of 1 + 16 + 8 + 8 + 4 bytes and the padding."""


class Token(NamedTuple):
    """A place in one log, and what stood there: a log that was restored and grew again has another row."""

    log_id: bytes
    position: int
    fingerprint: bytes

    @classmethod
    def at(cls, head: Head) -> "Token":
        """The token of the head."""
        return cls(head.log_id, head.position, head.fingerprint)

    def encode(self) -> str:
        """The token as clients keep it: URL-safe text."""
        data = _LAYOUT.pack(_VERSION, *self)
        return urlsafe_b64encode(data + _check(data)).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> "Token":
        """Read a client's token; raises `InvalidRequest` where msgstate did not make it."""
        try:
            data = urlsafe_b64decode(text.encode("ascii").ljust(_TEXT_LENGTH, b"="))
            _, *fields = _LAYOUT.unpack(data[:-_CHECK_BYTES])
        except (ValueError, struct.error):
            pass
        else:
            # Base64 reads several texts as the same bytes; only one of them went out.
            token = cls(*fields)
            if token.encode() == text:
                return token
        description = f"must be a token that msgstate gave out, unchanged; found {shown(text)}"
        raise InvalidRequest([Violation("resume_token", description)])


def _check(data: bytes) -> bytes:
    return blake2b(data, digest_size=_CHECK_BYTES).digest()
