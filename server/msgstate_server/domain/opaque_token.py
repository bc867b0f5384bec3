"""What clients keep for msgstate without looking into it: bytes as URL-safe text, with a check sum."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b
from typing import Final

_CHECK_BYTES: Final = 4


def seal(data: bytes) -> str:
    """The text that goes out."""
    return urlsafe_b64encode(data + _check(data)).decode().rstrip("=")


def unseal(text: str) -> bytes | None:
    """What was sealed, or None where the text is not, to the letter, one that went out."""
    try:
        data = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))[:-_CHECK_BYTES]
    except ValueError:
        return None
    # Base64 reads several texts as the same bytes; only one of them went out.
    return data if seal(data) == text else None


def _check(data: bytes) -> bytes:
    return blake2b(data, digest_size=_CHECK_BYTES).digest()
