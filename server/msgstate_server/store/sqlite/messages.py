"""Many messages at once, in parts that let others read in between.

To find what one provider has of a message is to walk over all its recipients, so several providers share one walk.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import msgspec

from msgstate_server.domain.decision import StoredStatus
from msgstate_server.domain.status import RecipientStatus
from msgstate_server.store.hashing import Hashes
from msgstate_server.store.protocol import MessageKey
from msgstate_server.store.sqlite.queries import fetch_json

if TYPE_CHECKING:
    import sqlite3 as sqlite
else:
    import pysqlite3.dbapi2 as sqlite

_PART: Final = 20
"""Keys in one read: where each is of a message of 100,000 recipients, others wait seconds for it."""

_found_messages: Final = msgspec.json.Decoder(list[MessageKey])
_each_messages: Final = msgspec.json.Decoder(list[list[MessageKey]])
_found_recipients: Final = msgspec.json.Decoder(list[StoredStatus])
_each_recipients: Final = msgspec.json.Decoder(list[list[StoredStatus]])

_Found = TypeVar("_Found", MessageKey, RecipientStatus)


class Part(NamedTuple):
    """Keys that are looked up in one read: any, or those of several providers for one id."""

    keys: Sequence[MessageKey]
    of_one_id: bool


def parts(keys: Sequence[MessageKey]) -> list[Part]:
    """All keys, each once."""
    named: dict[str, list[MessageKey]] = {}
    others: list[MessageKey] = []
    for key in dict.fromkeys(keys):
        (named.setdefault(key.message_id, []) if key.provider else others).append(key)
    others += [same[0] for same in named.values() if len(same) == 1]
    found = [Part(others[start : start + _PART], of_one_id=False) for start in range(0, len(others), _PART)]
    return found + [Part(same, of_one_id=True) for same in named.values() if len(same) > 1]


def read_messages(connection: sqlite.Connection, hashes: Hashes, part: Part, limit: int) -> list[list[RecipientStatus]]:
    """See `Store`; in the order of the part."""
    if part.of_one_id:
        values = _of_one_id(part.keys, hashes.message, limit)
        found = _found_recipients.decode(fetch_json(connection, "read_message_of_providers", values))
        return _by_provider(part.keys, [stored.status for stored in found])
    each = _each_recipients.decode(fetch_json(connection, "read_messages", _of_any(part.keys, hashes.message, limit)))
    return [[stored.status for stored in recipients] for recipients in each]


def find_by_aliases(connection: sqlite.Connection, hashes: Hashes, part: Part, limit: int) -> list[list[MessageKey]]:
    """See `Store`; in the order of the part."""
    if part.of_one_id:
        values = _of_one_id(part.keys, hashes.alias, limit)
        found = _found_messages.decode(fetch_json(connection, "find_by_alias_of_providers", values))
        return _by_provider(part.keys, found)
    return _each_messages.decode(fetch_json(connection, "find_by_aliases", _of_any(part.keys, hashes.alias, limit)))


def _of_any(keys: Sequence[MessageKey], hashed: Callable[[str], int], limit: int) -> tuple[str, int]:
    """Keys as a statement takes them, each with what its index goes by."""
    wanted = [(key.provider, key.message_id, hashed(key.message_id)) for key in keys]
    return msgspec.json.encode(wanted).decode(), limit


def _of_one_id(keys: Sequence[MessageKey], hashed: Callable[[str], int], limit: int) -> tuple[int, str, str, int]:
    name = keys[0].message_id
    return hashed(name), name, msgspec.json.encode([key.provider for key in keys]).decode(), limit


def _by_provider(keys: Sequence[MessageKey], found: Sequence[_Found]) -> list[list[_Found]]:
    providers: dict[str, list[_Found]] = {key.provider: [] for key in keys}
    for each in found:
        providers[each.provider].append(each)
    return list(providers.values())
