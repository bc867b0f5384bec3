"""Requests made field by field from what their messages declare, with values that are odd for their types."""

from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from tests.fuzz.choices import Choices
from tests.fuzz.oddities import NUMBERS, TEXTS

KNOWN: Final = ("known", "shop", "to@example.com", "good")
"""Texts that are in the log of the server."""
_SEVERAL: Final = (0, 1, 1, 2, 3, 17, 33, 101, 501, 1_001)
_DEEPEST: Final = 4
_INT32: Final = {FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_ENUM}


def fill(message: Any, choices: Choices, depth: int = 0) -> None:
    """Set some of a message's fields."""
    for field in message.DESCRIPTOR.fields:
        if choices.number(3) == 0:
            continue
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            for index in range(_count(choices, depth)):
                getattr(message, field.name)[f"{choices.pick(TEXTS)}{index or ''}"] = choices.pick(TEXTS)
        elif field.is_repeated:
            _fill_list(getattr(message, field.name), field, choices, depth)
        elif field.message_type is not None:
            if depth < _DEEPEST:
                getattr(message, field.name).SetInParent()
                fill(getattr(message, field.name), choices, depth + 1)
        else:
            setattr(message, field.name, _value(field, choices))


def _fill_list(values: Any, field: FieldDescriptor, choices: Choices, depth: int) -> None:
    count = _count(choices, depth)
    if field.message_type is None:
        values.extend(_value(field, choices) for _ in range(count))
    elif depth < _DEEPEST:
        for index in range(count):
            added = values.add()
            # The rest of a long list is alike.
            if index < len(_SEVERAL):
                fill(added, choices, depth + 1)


def _count(choices: Choices, depth: int) -> int:
    return choices.pick(_SEVERAL if depth < 2 else _SEVERAL[:6])


def _value(field: FieldDescriptor, choices: Choices) -> Any:
    match field.type:
        case FieldDescriptor.TYPE_STRING:
            return choices.pick(KNOWN) if choices.number(3) == 0 else choices.pick(TEXTS)
        case FieldDescriptor.TYPE_BYTES:
            return choices.take(8)
        case FieldDescriptor.TYPE_BOOL:
            return bool(choices.number(2))
    if field.enum_type is not None and choices.number(2):
        return choices.number(len(field.enum_type.values))
    bits = 31 if field.type in _INT32 else 63
    fitting = [number for number in NUMBERS if -(1 << bits) <= number < 1 << bits]
    return choices.pick(fitting)


def parsed(kind: type[Message], data: bytes) -> bool:
    """Whether bytes can be decoded as such a message."""
    try:
        kind.FromString(data)
    except Exception:  # noqa: BLE001  (whatever says no)
        return False
    return True
