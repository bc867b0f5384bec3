"""Loosely typed JSON values, read as what they mean: providers send numbers as strings and the reverse."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from msgstate_server.webhooks.providers.decoding import Unreadable

_SECONDS: Final = re.compile(r"([0-9]{1,12})(?:\.([0-9]+))?")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_YEAR_10000: Final = 253_402_300_800_000_000
_MICROSECOND: Final = timedelta(microseconds=1)
_DIGITS: Final = 6


def kind(value: object) -> str:
    """What a JSON value is, in words."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case str():
            return "a string"
        case dict():
            return "an object"
        case list():
            return "an array"
    return "a number"


def as_object(value: object, name: str) -> dict[str, object]:
    """The value, which must be a JSON object; `name` says in the error what it is."""
    if isinstance(value, dict):
        return value
    raise Unreadable(f"{name} must be an object; found {kind(value)}")


def member(value: object, key: str) -> object:
    """A member of a JSON object; None where there is none, or where the value is no object."""
    return value.get(key) if isinstance(value, dict) else None


def identifier(value: object, name: str) -> str:
    """An id or an address: a string, or a number in decimal; empty where it is missing or null."""
    if value is None:
        return ""
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        return str(value)
    raise Unreadable(f"{name} must be a string or a number; found {kind(value)}")


def required(value: object, name: str) -> str:
    """An id or an address that an event cannot do without."""
    text = identifier(value, name)
    if not text:
        raise Unreadable(f"{name} is missing or empty; it is never guessed")
    return text


def text(value: object) -> str:
    """Any value as text: what is not a string as compact JSON, null as nothing."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    try:
        return msgspec.json.encode(value).decode()
    except RecursionError:
        raise Unreadable("a value is nested too deeply") from None


def texts(values: Mapping[str, object]) -> dict[str, str]:
    """Metadata from loosely typed values, without the empty ones."""
    return {key: found for key, value in values.items() if (found := text(value))}


def microseconds(value: object) -> int | None:
    """A time in microseconds since 1970; None where the value is no time between 1970 and 9999.

    It may be seconds, cut to the microsecond, or ISO 8601, in UTC where it names no zone.
    """
    written = text(value).strip() if isinstance(value, (str, int)) else ""
    seconds = _SECONDS.fullmatch(written)
    if seconds:
        whole, fraction = seconds.groups(default="")
        time = int(whole + fraction[:_DIGITS].ljust(_DIGITS, "0"))
    else:
        try:
            moment = datetime.fromisoformat(written)
        except ValueError:
            return None
        time = ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND
    return time if 0 <= time < _YEAR_10000 else None
