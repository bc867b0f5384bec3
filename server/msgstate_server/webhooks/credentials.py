"""Who may post a webhook: HTTP Basic, or Emailit's signature over the raw body."""

import re
from base64 import b64decode
from collections.abc import Mapping
from hashlib import sha256
from hmac import compare_digest, new
from typing import Final, NamedTuple

SIGNATURE_HEADER: Final = "x-emailit-signature"
TIMESTAMP_HEADER: Final = "x-emailit-timestamp"
TOLERANCE_SECONDS: Final = 300
"""How far a signature's time may be from ours, either way."""

_TIMESTAMP: Final = re.compile(r"[0-9]{1,12}")


class Credentials(NamedTuple):
    """What lets a request in: any one of the `user:password` pairs, or a signature made with any one of the secrets.

    Several of each let them be rotated. Where there are none, nothing is let in.
    """

    basic: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()

    def admit(self, headers: Mapping[str, str]) -> bool:
        """Whether HTTP Basic lets the request in, for which its body need not be read."""
        presented = _basic(headers.get("authorization", ""))
        # All are compared, so that the time taken does not tell which one nearly matched.
        return sum([compare_digest(presented, pair.encode()) for pair in self.basic if ":" in pair]) > 0

    def may_be_signed(self, headers: Mapping[str, str], now: int) -> bool:
        """Whether it is worth reading the body for its signature; `now` is in seconds since 1970."""
        timestamp = headers.get(TIMESTAMP_HEADER, "")
        if not self.secrets or SIGNATURE_HEADER not in headers or not _TIMESTAMP.fullmatch(timestamp):
            return False
        return abs(now - int(timestamp)) <= TOLERANCE_SECONDS

    def signed(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether the signature is one of ours; its time is `may_be_signed`'s to judge."""
        presented = headers.get(SIGNATURE_HEADER, "").lower().encode()
        timestamp = headers.get(TIMESTAMP_HEADER, "")
        return sum([compare_digest(presented, sign(secret, timestamp, body)) for secret in self.secrets if secret]) > 0


def sign(secret: str, timestamp: str, body: bytes) -> bytes:
    """Emailit's signature in hex: HMAC-SHA256 with the whole secret over the timestamp, a dot and the raw body."""
    return new(secret.encode(), timestamp.encode() + b"." + body, sha256).hexdigest().encode()


def _basic(authorization: str) -> bytes:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return b""
    try:
        return b64decode(encoded.strip(), validate=True)
    except ValueError:
        return b""
