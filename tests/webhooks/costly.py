"""The largest bodies of the kinds that take longest to find out about; `make bench ROW=costly` says how long."""

from typing import Final

from msgstate_server.domain.limits import WEBHOOK_BYTES

_LONG_NUMBER: Final = b"9" * 999
_NUMBERS: Final = WEBHOOK_BYTES // 1_000

READ_WHOLE: Final = {
    "strings": b"[" + b'"",' * (WEBHOOK_BYTES // 3 - 1) + b"x]",
    "numbers": b"[" + b",".join([_LONG_NUMBER] * (_NUMBERS - 1)) + b",x]",
    "escapes": b'["' + b"\\\\" * (WEBHOOK_BYTES // 2 - 20) + b'\\ud800"]',
}
"""Bodies that are decoded to their end before they are refused."""

COSTLY: Final = READ_WHOLE | {
    "brackets": b"[" * WEBHOOK_BYTES,
    "nested": b"[" * (WEBHOOK_BYTES // 2) + b"]" * (WEBHOOK_BYTES // 2),
    "pairs": b"[]" * (WEBHOOK_BYTES // 2),
    "deep pairs": b"[" * 100 + b"[]," * (WEBHOOK_BYTES // 3 - 100) + b"]" * 100,
    "deep runs": b"[" + b",".join([b"[" * 60 + b"]" * 60] * (WEBHOOK_BYTES // 121 - 1)) + b"]",
    "objects": b"[" + b",".join([b"{}"] * (WEBHOOK_BYTES // 3 - 1)) + b"]",
}
