"""Who may post a webhook: HTTP Basic, or Emailit's signature over the raw body."""

import re
from base64 import b64decode
from collections.abc import Mapping
from hashlib import sha256
from hmac import compare_digest, new
from typing import Final, NamedTuple

SIGNATURE_HEADER: Final = "x-emailit-signature"
TIMESTAMP_HEADER: Final = "x-emailit-timestamp"
_SHOWN_SIGNATURE: Final = "X-Emailit-Signature"
TOLERANCE_SECONDS: Final = 300
"""How far a signature's time may be from ours, either way."""

_TIMESTAMP: Final = re.compile(r"[0-9]{1,12}")


class Refusal(NamedTuple):
    """Why a request was not let in, for the log alone: `kind` is the same for all that have one cause."""

    kind: str
    cause: str


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

    def refusal(self, headers: Mapping[str, str], now: int) -> Refusal:
        """Why a request is not let in; `now` is in seconds since 1970."""
        if not self.basic and not self.secrets:
            return Refusal("not configured", "no credentials are configured for this provider and account")
        if self.secrets and (SIGNATURE_HEADER in headers or TIMESTAMP_HEADER in headers):
            return self._signature_refusal(headers, now)
        if not headers.get("authorization"):
            needed = [name for name, own in ((_SHOWN_SIGNATURE, self.secrets), ("Authorization", self.basic)) if own]
            are = "header {} is missing" if len(needed) == 1 else "headers {} are missing"
            return Refusal("no header", are.format(" and ".join(needed)))
        if not self.basic:
            return Refusal("no basic", f"header {_SHOWN_SIGNATURE} is missing, and HTTP Basic is not configured")
        if not _basic(headers["authorization"]):
            return Refusal("malformed basic", "header Authorization is not HTTP Basic")
        return Refusal("wrong basic", f"no basic credential of {len(self.basic)} matched")

    def _signature_refusal(self, headers: Mapping[str, str], now: int) -> Refusal:
        for header, shown in ((SIGNATURE_HEADER, _SHOWN_SIGNATURE), (TIMESTAMP_HEADER, "X-Emailit-Timestamp")):
            if header not in headers:
                return Refusal(f"no {header}", f"header {shown} is missing")
        timestamp = headers[TIMESTAMP_HEADER]
        if not _TIMESTAMP.fullmatch(timestamp):
            return Refusal("malformed timestamp", "header X-Emailit-Timestamp is not a number of seconds")
        age = now - int(timestamp)
        if abs(age) > TOLERANCE_SECONDS:
            cause = f"signature is {age} s old" if age > 0 else f"signature is dated {-age} s ahead"
            return Refusal("signature age", f"{cause}, and {TOLERANCE_SECONDS} s are allowed: compare the clocks")
        return Refusal("wrong signature", f"no secret of {len(self.secrets)} matched")


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
