"""Decodes a webhook's bytes to JSON values; a value that cannot be decoded spoils only the part that holds it."""

import json
import re
from typing import Final, NamedTuple

import msgspec

from msgstate_server.webhooks.providers.text_encoding import to_utf8
from msgstate_server.webhooks.providers.unreadable import Unreadable


class Decoded(NamedTuple):
    """A decoded body; if it is `spoiled`, marks replace the values that could not be decoded: see `require_sound`."""

    value: object
    spoiled: bool


# Decimal fractions stay text: a float cannot hold every time in seconds and microseconds exactly.
_decoder: Final = msgspec.json.Decoder(float_hook=str)

_DEPTH: Final = 64
"""How deep the nesting may be in a body that cannot be decoded as it is."""
_BRACKETS: Final = 200_000
"""How many brackets are decoded, and how many runs of brackets are scanned: more would block other requests."""
_TOO_MANY: Final = "the body has too many arrays and objects"
_SPOILED: Final = "\0 nested too deeply, or a number of too many digits"

# Skips everything between two brackets at once. It matches at every position, so it reads each byte only once.
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
    """Decode a body of JSON in UTF-8, UTF-16 or UTF-32; raises only `Unreadable`, whatever the bytes."""
    body = to_utf8(body)
    if not body or body.isspace():
        raise Unreadable("the body is empty")
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
    """Raise `Unreadable` if a part of a spoiled body holds a value that could not be decoded."""
    if value == _SPOILED:
        raise Unreadable("a value is nested too deeply, or is a number of too many digits")
    members = value if isinstance(value, list) else value.values() if isinstance(value, dict) else ()
    for member in members:
        require_sound(member)


def _is_small(body: bytes) -> bool:
    """Whether the body has few enough brackets to be decoded: each may start a value."""
    return len(body) <= _BRACKETS or sum(map(body.count, b"[]{}")) <= _BRACKETS


def _without_excess(body: bytes) -> bytes:
    """Replace each value that is nested too deeply, and each number with too many digits, with a mark.

    Raises `Unreadable` if there is too much to scan, or too much left to decode.
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
    """Replace each lone surrogate, which JSON can escape but UTF-8 cannot encode, with U+0000.

    A lone surrogate in one event's user agent must not spoil the other events of the body.
    """
    return _ESCAPES.sub(lambda found: found["sound"] or rb"\u0000", body)
