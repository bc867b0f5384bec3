"""Makes a webhook's event fit the limits: texts are cut and marked, ids and recipients never.

What was cut or replaced is named in the event's metadata; the raw body is kept beside it.
"""

from itertools import chain
from typing import Final

import msgspec

from msgstate_server.domain import limits
from msgstate_server.domain.events import ACCOUNT, Event
from msgstate_server.domain.identity import canonicalize, normalize_id
from msgstate_server.domain.validation import TEXT_LIMITS, is_suspect

CUT: Final = "msgstate.cut"
"""The metadata key that names the fields that were cut."""
REPLACED: Final = "msgstate.replaced"
"""The metadata key that names the fields in which U+0000 was replaced by U+FFFD."""

# An id is never cut: too long, it goes to quarantine.
_TEXTS: Final = tuple((field, limit) for field, limit in TEXT_LIMITS if field not in {"event_id", "message_ref"})
_ALIASES: Final = "aliases"
_METADATA: Final = "metadata"

# Room for both marks and the account, which must always fit: the marks' keys, and the name of every field twice.
_PAIRS: Final = limits.METADATA_PAIRS - 3
_RESERVED_BYTES: Final = 256 + len(ACCOUNT) + 64

# What an event's encoding adds to its texts at most.
_ENCODING_BYTES: Final = 1_024

# What is left for aliases in the largest event.
_ALIASES_ROOM: Final = (
    limits.EVENT_BYTES
    - (_ENCODING_BYTES + _RESERVED_BYTES + limits.METADATA_BYTES + 5 * limits.ID_BYTES)
    - sum(limit for _, limit in _TEXTS)
)


def fit(event: Event, account: str = "") -> Event:
    """The event normalized and within the limits, marked where that changed it, labelled with its account.

    Its ids and recipient may still break a rule; `domain.validation.violations` tells.
    """
    cut: list[str] = []
    replaced: list[str] = []
    attributes = msgspec.structs.replace(event.attributes)
    for field, limit in _TEXTS:
        value = getattr(attributes, field)
        if is_suspect(value, limit):
            setattr(attributes, field, _fit_text(field, value, limit, cut, replaced))
    attributes.metadata = metadata = _fit_metadata(attributes.metadata, cut, replaced)
    fitted = msgspec.structs.replace(event, attributes=attributes)
    canonicalize(fitted)
    attributes.aliases = _fit_aliases(fitted, cut)
    for key, value in ((CUT, ",".join(cut)), (REPLACED, ",".join(replaced)), (ACCOUNT, account)):
        if value:
            metadata[key] = value
    return fitted


def _fit_text(field: str, value: str, limit: int, cut: list[str], replaced: list[str]) -> str:
    if "\0" in value:
        replaced.append(field)
        value = value.replace("\0", "\ufffd")
    shortened = _shorten(value, limit)
    if shortened != value:
        cut.append(field)
    return shortened


def _fit_metadata(metadata: dict[str, str], cut: list[str], replaced: list[str]) -> dict[str, str]:
    """As many pairs as fit, in order; the value of the last may be cut."""
    room = limits.METADATA_BYTES - _RESERVED_BYTES
    if (
        len(metadata) <= _PAIRS
        and "" not in metadata
        and not is_suspect("".join(chain.from_iterable(metadata.items())), room)
    ):
        return dict(metadata)
    fitted: dict[str, str] = {}
    for told_key, told_value in metadata.items():
        key, value = told_key.replace("\0", "\ufffd"), told_value.replace("\0", "\ufffd")
        if (key, value) != (told_key, told_value):
            _mark(replaced, _METADATA)
        rest = room - _size(key)
        shortened = _shorten(value, max(rest, 0))
        if shortened != value:
            _mark(cut, _METADATA)
        full = rest < 0 or len(fitted) == _PAIRS
        if full or not key or key in fitted or (value and not shortened):
            _mark(cut, _METADATA)
            continue
        fitted[key] = shortened
        room = rest - _size(shortened)
    return fitted


def _fit_aliases(event: Event, cut: list[str]) -> list[str]:
    """The aliases without empty and repeated ones, sorted, as many as an event may have beside its other texts."""
    named = [alias for alias in map(normalize_id, event.attributes.aliases) if alias and alias != event.message_id]
    if len(named) <= limits.ALIASES and 4 * sum(map(len, named)) <= _ALIASES_ROOM:
        return sorted(set(named))
    room = limits.EVENT_BYTES - _ENCODING_BYTES - _RESERVED_BYTES - _event_size(event)
    fitted: list[str] = []
    for alias in dict.fromkeys(named):
        room -= _size(alias)
        if room < 0 or len(fitted) == limits.ALIASES:
            cut.append(_ALIASES)
            break
        fitted.append(alias)
    return sorted(fitted)


def _event_size(event: Event) -> int:
    """The bytes of an event's texts but its aliases."""
    attributes = event.attributes
    sizes = [_size(getattr(attributes, field)) for field, _ in _TEXTS]
    metadata = [text for pair in attributes.metadata.items() for text in pair]
    ids = (event.message_id, event.recipient, attributes.event_id, attributes.message_ref)
    return sum(sizes) + sum(map(_size, (*ids, attributes.reported_recipient, *metadata)))


def _shorten(value: str, limit: int) -> str:
    """The longest start of a text that is at most `limit` bytes and whole characters."""
    return value if _size(value) <= limit else value.encode()[:limit].decode(errors="ignore")


def _size(value: str) -> int:
    return len(value) if value.isascii() else len(value.encode())


def _mark(marks: list[str], field: str) -> None:
    if field not in marks:
        marks.append(field)
