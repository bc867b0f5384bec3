"""Reads loosely typed JSON values: providers send numbers as strings and strings as numbers.

Where a function takes a `name`, it is the path to the field, such as `object.email.to`, and errors show it. Where a
function takes the object that holds the field, the last part of the name is the key.
"""

from collections.abc import Mapping

import msgspec

from msgstate_server.webhooks.providers.unreadable import Unreadable


def kind(value: object) -> str:
    """Describe the type of a JSON value."""
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


def as_object(value: object, what: str) -> dict[str, object]:
    """Return the value if it is a JSON object; `what` describes it in the error."""
    if isinstance(value, dict):
        return value
    raise Unreadable(f"{what} must be an object; found {kind(value)}")


def object_in(holder: Mapping[str, object], name: str) -> dict[str, object]:
    """Return a field that must be a JSON object."""
    return as_object(_present(holder, name), f"`{name}`")


def array_in(holder: Mapping[str, object], name: str) -> list[object]:
    """Return a field that must be a JSON array."""
    value = _present(holder, name)
    if isinstance(value, list):
        return value
    raise Unreadable(f"`{name}` must be an array; found {kind(value)}")


def word_in(holder: Mapping[str, object], name: str) -> str:
    """Return a field that must be a string and not empty."""
    value = _present(holder, name)
    if isinstance(value, str):
        return _not_empty(value, name)
    raise Unreadable(f"`{name}` must be a string; found {kind(value)}")


def member(value: object, key: str) -> object:
    """Return a member of a JSON object; None if it is missing, or if the value is not an object."""
    return value.get(key) if isinstance(value, dict) else None


def identifier(value: object, name: str) -> str:
    """Return an id or an address: a string, or a number in decimal; an empty string if the value is None."""
    return "" if value is None else _identifier(value, name)


def required(value: object, name: str) -> str:
    """Return an id or an address that must be there and not be empty."""
    return _not_empty(_identifier(value, name), name)


def required_in(holder: Mapping[str, object], name: str) -> str:
    """Return a field that must be there and hold an id or an address."""
    return required(_present(holder, name), name)


def text(value: object) -> str:
    """Return any value as text: a string as it is, None as an empty string, anything else as compact JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    try:
        return msgspec.json.encode(value).decode()
    except RecursionError:
        raise Unreadable("a value is nested too deeply") from None


def texts(values: Mapping[str, object]) -> dict[str, str]:
    """Return metadata made of loosely typed values, without the empty ones."""
    return {key: found for key, value in values.items() if (found := text(value))}


def _present(holder: Mapping[str, object], name: str) -> object:
    key = name.rpartition(".")[2]
    if key not in holder:
        raise Unreadable(f"`{name}` is missing")
    return holder[key]


def _identifier(value: object, name: str) -> str:
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        return str(value)
    raise Unreadable(f"`{name}` must be a string or a number; found {kind(value)}")


def _not_empty(value: str, name: str) -> str:
    if value:
        return value
    raise Unreadable(f"`{name}` is empty")
