"""What makes two messages, two recipients or two events the same one."""

from functools import lru_cache
from hashlib import blake2b
from typing import Final, NamedTuple

import msgspec

from msgstate_server.domain.events import Event

_canonical = msgspec.json.Encoder(order="deterministic")

_YEAR_2000: Final = 946_684_800_000_000
_DAY: Final = 86_400_000_000


def normalize_id(value: str) -> str:
    """A message id or alias without the one pair of angle brackets that may enclose it."""
    if len(value) > 1 and value[0] == "<" and value[-1] == ">":
        return value[1:-1]
    return value


def normalize_recipient(value: str) -> str:
    """An address as it is compared: trimmed, unwrapped from `Name <x>`, its domain in lower case, else as it came."""
    value = value.strip()
    if value.endswith(">") and value.count("<") == 1 and value.count(">") == 1:
        value = value[value.index("<") + 1 : -1].strip()
    local, at, domain = value.rpartition("@")
    return local + at + domain.lower() if at else value


def message_hash(message_id: str) -> int:
    """Signed 64 bits that stand for a message id in the store's indexes."""
    return _hash64(message_id.encode())


def recipient_hash(provider: str, recipient: str) -> int:
    """Signed 64 bits that, beside the message's, stand for a provider and recipient; both together are unique."""
    return _hash64(b"%b\0%b" % (provider.encode(), recipient.encode()))


class Identity(NamedTuple):
    """The two hashes under which a recipient of a message is found; together they are unique."""

    message_hash: int
    recipient_hash: int


@lru_cache(maxsize=16_384)
def identity_of(provider: str, message_id: str, recipient: str) -> Identity:
    """The identity of a recipient of a message; remembered, since a recipient's events come close together."""
    return Identity(message_hash(message_id), recipient_hash(provider, recipient))


@lru_cache(maxsize=16_384)
def address_hash(recipient: str) -> int:
    """Signed 64 bits that stand for a recipient's address in the store's index, whatever the message."""
    return message_hash(recipient)


def alias_hash(alias: str) -> int:
    """Signed 64 bits that stand for an alias in the store's index."""
    return message_hash(alias)


def event_key(event: Event) -> str:
    """The 128-bit key, in hex, under which an event of one recipient counts once.

    With an event id: of the id, the provider's word and the resolved type, since a provider may send one id under
    several types. Without: of the whole event but its receipt time, so that a webhook sent twice counts once.
    """
    attributes = event.attributes
    if attributes.event_id:
        canonical: object = (attributes.event_id, attributes.provider_type, event.type)
    else:
        canonical = (
            event.provider,
            event.message_id,
            event.recipient,
            event.type,
            event.occurred_time,
            attributes,
        )
    return blake2b(_canonical.encode(canonical), digest_size=16).hexdigest()


def provider_time(event: Event) -> int | None:
    """The provider's own time of an event if it is plausible: after 2000, at most a day ahead of its receipt."""
    occurred = event.occurred_time
    if occurred is not None and _YEAR_2000 <= occurred <= event.received_time + _DAY:
        return occurred
    return None


def _hash64(data: bytes) -> int:
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "big", signed=True)
