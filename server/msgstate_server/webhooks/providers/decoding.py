"""From a webhook's bytes to JSON values, so that one value which cannot be decoded costs only the part it stands in."""

import json
import re
from typing import Final, NamedTuple

import msgspec


class Unreadable(ValueError):
    """A body, or a part of one, that cannot be understood; the text is a plain sentence that says why."""


class Decoded(NamedTuple):
    """A decoded body; where `spoiled`, some of its values stand for what could not be decoded, see `require_sound`."""

    value: object
    spoiled: bool


# Decimal fractions stay text, since a time in seconds with microseconds does not fit a float without error.
_decoder: Final = msgspec.json.Decoder(float_hook=str)

_DEPTH: Final = 64
"""How deep a body may be nested that is too deep, or otherwise too much, to be decoded as it stands."""
_BRACKETS: Final = 200_000
"""How many brackets are decoded, and how many runs of them looked through: more would hold others up for long."""
_TOO_MANY: Final = "the body has too many arrays and objects to look through"
_SPOILED: Final = "\0 nested too deeply, or a number of too many digits"

# What lies between two brackets is passed over in one go. It finds something at every place, so each byte is read once.
_TOKEN: Final = re.compile(
    rb"""
    (?: [^"\[\]{}0-9-]++ | "(?:[^"\\]++|\\.)*+"? | -(?![0-9])
      | -?[0-9]{1,999}+(?![0-9])(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)? )*+
    (?: (?P<opening>[\[{]++) | (?P<closing>[\]}]++)
      | (?P<number>-?[0-9]{1000,}+(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?) | \Z )
    """,
    re.DOTALL | re.VERBOSE,
)

_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_ESCAPES: Final = re.compile(
    rb"""
    (?P<sound> (?: [^\\]++ | \\[^u] | \\u(?![dD][89a-fA-F])
      | \\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2} )++ )
    | \\u[dD][89a-fA-F][0-9a-fA-F]{2}
    """,
    re.DOTALL | re.VERBOSE,
)


def decode(body: bytes) -> Decoded:
    """The JSON value of a body; raises `Unreadable`, and nothing else, whatever the bytes."""
    try:
        if _is_small(body):
            return Decoded(_decoder.decode(body), spoiled=False)
    except UnicodeDecodeError:
        raise Unreadable("the body is not UTF-8") from None
    except (RecursionError, msgspec.DecodeError):
        pass
    readable = _without_excess(body)
    try:
        try:
            return Decoded(_decoder.decode(readable), spoiled=True)
        except msgspec.DecodeError:
            if not _SURROGATE.search(readable):
                raise
            return Decoded(_decoder.decode(_without_lone_surrogates(readable)), spoiled=True)
    except UnicodeDecodeError:
        raise Unreadable("the body is not UTF-8") from None
    except ValueError as error:
        raise Unreadable(f"the body is not JSON: {error}") from None


def require_sound(value: object) -> None:
    """Raise `Unreadable` where a part of a spoiled body holds something that could not be decoded."""
    if value == _SPOILED:
        raise Unreadable("a value is nested too deeply, or is a number of too many digits")
    members = value if isinstance(value, list) else value.values() if isinstance(value, dict) else ()
    for member in members:
        require_sound(member)


def _is_small(body: bytes) -> bool:
    """Whether a body has few enough brackets to be decoded, since each may be a value of its own."""
    return len(body) <= _BRACKETS or sum(map(body.count, b"[]{}")) <= _BRACKETS


def _without_excess(body: bytes) -> bytes:
    """The body with a marked text in place of each value that is nested too deeply, or a number of too many digits.

    Raises `Unreadable` where there is too much to look through, or too much left to decode.
    """
    kept = bytearray()
    mark = json.dumps(_SPOILED).encode()
    depth = start = 0
    for count, token in enumerate(_TOKEN.finditer(body)):
        if count > _BRACKETS:
            raise Unreadable(_TOO_MANY)
        kind = token.lastgroup
        begin, end = token.span(kind or 0)
        if kind == "opening":
            deeper = depth + end - begin
            if depth <= _DEPTH < deeper:
                kept += body[start : begin + _DEPTH - depth] + mark
                start = len(body)
            depth = deeper
        elif kind == "closing":
            higher = depth - (end - begin)
            if higher <= _DEPTH < depth:
                start = begin + depth - _DEPTH
            depth = higher
        elif kind and depth <= _DEPTH:
            kept += body[start:begin] + mark
            start = end
    readable = bytes(kept + body[start:])
    if not _is_small(readable):
        raise Unreadable(_TOO_MANY)
    return readable


def _without_lone_surrogates(body: bytes) -> bytes:
    """The body with U+0000 in place of each half of a character, which JSON can write and no text can hold.

    So one such half in a user agent does not cost the other events of its body.
    """
    return _ESCAPES.sub(lambda found: found["sound"] or rb"\u0000", body)
