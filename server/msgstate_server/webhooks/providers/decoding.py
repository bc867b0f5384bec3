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
_SPOILED: Final = "\0 nested too deeply, or a number of too many digits"
_TOKEN: Final = re.compile(
    rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]|-?[0-9]{1000,}+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?', re.DOTALL
)

_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def decode(body: bytes) -> Decoded:
    """The JSON value of a body; raises `Unreadable`, and nothing else, whatever the bytes."""
    try:
        return Decoded(_decoder.decode(body), spoiled=False)
    except UnicodeDecodeError:
        raise Unreadable("the body is not UTF-8") from None
    except (RecursionError, msgspec.DecodeError):
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


def _without_excess(body: bytes) -> bytes:
    """The body with a marked text in place of each value that is nested too deeply, or a number of too many digits."""
    kept = bytearray()
    mark = json.dumps(_SPOILED).encode()
    depth = start = 0
    for token in _TOKEN.finditer(body):
        match token[0][:1]:
            case b"[" | b"{":
                depth += 1
                if depth == _DEPTH + 1:
                    kept += body[start : token.start()] + mark
                    start = len(body)
            case b"]" | b"}":
                if depth == _DEPTH + 1:
                    start = token.end()
                depth -= 1
            case first if first != b'"' and depth <= _DEPTH:
                kept += body[start : token.start()] + mark
                start = token.end()
    return bytes(kept + body[start:])


def _without_lone_surrogates(body: bytes) -> bytes:
    """The body with U+0000 in place of each half of a character, which JSON can write and no text can hold.

    So one such half in a user agent does not cost the other events of its body.
    """
    return _LONE_SURROGATE.sub(r"\\u0000", json.dumps(json.loads(body), ensure_ascii=False)).encode()
