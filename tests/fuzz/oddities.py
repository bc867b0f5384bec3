"""What breaks programs: odd texts, numbers and JSON, put in place of what belongs there, and bytes that are changed."""

import json
import random
from copy import deepcopy
from typing import Any, Final

from tests.fuzz.choices import Choices

TEXTS: Final = (
    "", " ", "0", "-1", "null", "\0", "a\0b", "\ufeff", "\u202e", "\x1b[2J", "🫥", "e\u0301", "<>", "<a>", "<<a>>",
    "a@",
    "@", "a@b@C", "A <a@b>", "\t", "\r\n", "../../x", "%s%n", "{0}", "'\"`$(x)", "\u2028", "ß", "İ", "NaN", "1e999",
    "٣",
    "2026-11-21T09:00:00Z", "9999-12-31T23:59:59.999999+23:59", "0001-01-01T00:00:00-23:59", "1727431872.9302",
    "9" * 30, "550 5.1.1 no", "550-5.7.1", "x" * 64, "x" * 999, "é" * 600, "x" * 3_000, "x" * 20_000,
)  # fmt: skip
NUMBERS: Final = (
    0, 1, -1, 2, 3, 99, 999, 1_000, 1_001, 2**31 - 1, -(2**31), 2**31, 2**53 + 1, 2**63 - 1, -(2**63), 2**63, 2**64,
    10**40,
)  # fmt: skip
# JSON that Python's own writer does not write.
_RAW: Final = (
    "1e999", "-0", "1E+2", "0.1", "9" * 5_000, "-" + "9" * 1_001, "1." + "9" * 2_000, r'"\ud800"',
    r'"a\udfff\ud800b"',
    r'"\ud83d\ude00"', '{"a":1,"a":2}', "[" * 70 + "]" * 70, "[" * 1_500 + "]" * 1_500,
    '{"a":' * 1_500 + "1" + "}" * 1_500,
    r'{"\ud800":"\u0000"}', '["\\\\","\\""]', "1727431872.930234567",
)  # fmt: skip
_MARK: Final = "\1raw:"
VALUES: Final[tuple[Any, ...]] = (
    None, True, False, [], {}, [[]], [None], {"": ""}, {"a": {"b": ["c"]}}, {"\0": "\0"}, ["x"] * 60,
    {str(number): "v" for number in range(40)}, *TEXTS, *NUMBERS, *(f"{_MARK}{index}" for index in range(len(_RAW))),
)  # fmt: skip


def encode(value: object) -> bytes:
    """The JSON of a value, with the raw pieces put in."""
    text = json.dumps(value)
    if _MARK[1:] in text:
        for index in reversed(range(len(_RAW))):
            text = text.replace(json.dumps(f"{_MARK}{index}"), _RAW[index])
    return text.encode()


def edited(choices: Choices, value: Any) -> Any:
    """A copy of a JSON value with a few of its members replaced, taken out or added."""
    root = [deepcopy(value)]
    for _ in range(1 + choices.number(4)):
        place, key = _place(choices, root)
        match choices.number(6):
            case 0 if place is not root:
                del place[key]
            case 1 if isinstance(place, dict):
                place[choices.pick(TEXTS)] = deepcopy(choices.pick(VALUES))
            case 2 if isinstance(place, list) and place is not root:
                place.append(deepcopy(choices.pick(VALUES)))
            case _:
                place[key] = deepcopy(choices.pick(VALUES))
    return root[0]


def _place(choices: Choices, root: list[Any]) -> tuple[Any, Any]:
    """Somewhere in a value: a container that has members, and the key of one."""
    place, key = root, 0
    while choices.number(5):
        inner: Any = place[key]
        keys = list(inner) if isinstance(inner, dict) else range(len(inner)) if isinstance(inner, list) else ()
        if not keys:
            break
        place, key = inner, choices.pick(keys)
    return place, key


def mutated(chance: random.Random, data: bytes) -> bytes:
    """The bytes with a few changes: flipped, taken out, doubled, cut off, put in."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        at = chance.randrange(len(changed) + 1)
        size = chance.choice((1, 1, 2, 4, 16, 64))
        match chance.randrange(6):
            case 0 if at < len(changed):
                changed[at] ^= 1 << chance.randrange(8)
            case 1 if at < len(changed):
                changed[at] = chance.randrange(256)
            case 2:
                del changed[at : at + size]
            case 3:
                changed[at:at] = changed[at : at + size] * chance.choice((1, 1, 3, 100))
            case 4:
                changed[at:at] = chance.choice(_PIECES)
            case _ if chance.random() < 0.2:
                del changed[at:]
    return bytes(changed)


_PIECES: Final = (
    b"\0", b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\xef\xbb\xbf", b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":",
    b"\r\n",
    b"\n", b" ", b"=", b"-", b"e9", b"null", b'"\\ud800"', b"9" * 400, b"[" * 100, b"\x0a", b"\x0a\x00",
    b"\xff" * 9 + b"\x01",
    b"\x80" * 12, b"\x7f" * 3,
)  # fmt: skip
