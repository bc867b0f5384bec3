"""Reads the time of an event, however its provider writes it."""

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_YEAR_2000: Final = 946_684_800_000_000
_YEAR_2101: Final = 4_133_980_800_000_000
_YEAR_10000: Final = 253_402_300_800_000_000
_INTEGER_BITS: Final = 128

_NUMBER: Final = re.compile(r"([0-9]+)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]{1,3}))?")
_SCALES: Final = (6, 3, 0, -3)
"""The power of ten from seconds, milliseconds, microseconds and nanoseconds to microseconds."""
_DIGITS: Final = (15, 16)
"""How many digits the years 2000 to 2100 have in microseconds."""

# Ruby and PostgreSQL write a space before the offset, or UTC in its place.
_SPACED_OFFSET: Final = re.compile(r"([T ][0-9:.,]+)(?: *(?:UTC|GMT)$| +(?=[Z+-]))")
_ISO_8601: Final = re.compile(r"[0-9]{4}-?[0-9W]")
_RFC_2822: Final = re.compile(
    r"""
    (?:[A-Z]{3},\s*)? [0-9]{1,2}\s+[A-Z]{3}\s+[0-9]{4} \s+ [0-9]{2}:[0-9]{2}(?::[0-9]{2})?
    \s+ (?:[+-][0-9]{4} | UT | UTC | GMT | Z | [ECMP][SD]T) (?:\s*\([^()]*\))?
    """,
    re.VERBOSE | re.IGNORECASE,
)


def microseconds(value: object) -> int | None:
    """Return a time in microseconds since 1970, cut to the microsecond; None if the value is not a time.

    A number, or a string that holds one, counts seconds, milliseconds, microseconds or nanoseconds since 1970: at most
    one of them falls in the years 2000 to 2100. Any other string is an ISO 8601 date and time, in UTC if it has no
    offset, or an RFC 2822 date, of the years 1970 to 9999.
    """
    if isinstance(value, str):
        written = value.strip()
        time = _from_number(written)
        return _from_date(written) if time is None else time
    if isinstance(value, float):
        return _from_number(repr(value))
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() < _INTEGER_BITS:
        return _from_number(str(value))
    return None


def _from_number(written: str) -> int | None:
    """Read the digits as they are written: a float is too coarse for nanoseconds."""
    found = _NUMBER.fullmatch(written)
    if not found:
        return None
    whole, fraction, exponent = found.groups(default="")
    digits = (whole + fraction).lstrip("0")
    integer_digits = len(digits) - len(fraction) + int(exponent or 0)
    for scale in _SCALES:
        count = integer_digits + scale
        if count in _DIGITS:
            time = int(digits[:count].ljust(count, "0"))
            return time if _YEAR_2000 <= time < _YEAR_2101 else None
    return None


def _from_date(written: str) -> int | None:
    try:
        moment = _date(written)
    except ValueError:
        return None
    if moment is None:
        return None
    time = ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND
    return time if 0 <= time < _YEAR_10000 else None


def _date(written: str) -> datetime | None:
    if _RFC_2822.fullmatch(written):
        return parsedate_to_datetime(written)
    written = written.upper()
    if _ISO_8601.match(written):
        return datetime.fromisoformat(_SPACED_OFFSET.sub(r"\1", written))
    return None
