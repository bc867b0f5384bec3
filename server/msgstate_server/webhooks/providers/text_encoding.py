"""Converts a webhook's body to UTF-8 from any encoding that JSON may use (RFC 4627, section 3)."""

import codecs
import json
from typing import Final

from msgstate_server.domain.limits import WEBHOOK_BYTES
from msgstate_server.webhooks.providers.unreadable import Unreadable

_CHUNK_BYTES: Final = 65_536
_UTF8: Final = {"utf-8": 0, "utf-8-sig": len(codecs.BOM_UTF8)}
"""The length of the byte order mark for each name that Python gives to UTF-8."""


def to_utf8(body: bytes) -> bytes:
    """Return the body as UTF-8 without a byte order mark; a body in UTF-8 is not validated.

    The zero bytes among the first four bytes, or the byte order mark, tell UTF-16 and UTF-32 from UTF-8. Raises
    `Unreadable` if the body is not in the encoding that it starts in, or exceeds the size limit as UTF-8.
    """
    encoding = json.detect_encoding(body)
    if encoding in _UTF8:
        return body[_UTF8[encoding] :]
    try:
        return _converted(body, encoding)
    except UnicodeDecodeError:
        name = encoding[:6].upper()
        raise Unreadable(f"the body starts as {name} but is not valid {name}") from None


def _converted(body: bytes, encoding: str) -> bytes:
    """Convert in chunks: text in UTF-16 grows by up to half, and as one string by up to four times."""
    decoder = codecs.getincrementaldecoder(encoding)()
    converted = bytearray()
    for start in range(0, len(body), _CHUNK_BYTES):
        converted += decoder.decode(body[start : start + _CHUNK_BYTES]).encode()
        if len(converted) > WEBHOOK_BYTES:
            raise Unreadable(f"the body must be at most {WEBHOOK_BYTES} bytes as UTF-8")
    decoder.decode(b"", final=True)
    return bytes(converted)
