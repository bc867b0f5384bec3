"""The hashes that indexes hold in place of ids, keyed with a secret of each store.

An index entry of 8 bytes costs a fraction of one that holds a long random id. Without a key, anyone could compute ids
with the same hash, and so make two recipients share one row, or make one look-up read thousands of rows.
"""

from functools import lru_cache
from hashlib import blake2b
from typing import Final, NamedTuple

from msgstate_server.domain.identity import Identity

_REMEMBERED: Final = 16_384
"""Hashes kept in memory: the events of one recipient arrive close together."""


class IdentityHashes(NamedTuple):
    """The two hashes under which a recipient of a message is found; together they are unique in a store."""

    message_hash: int
    recipient_hash: int


class Hashes:
    """The hash functions of one store; each result is a signed 64-bit number."""

    def __init__(self, key: bytes) -> None:
        """`key` is the store's secret: up to 64 bytes."""
        self._key = key
        self.identity = lru_cache(maxsize=_REMEMBERED)(self._identity)
        """The hashes of an `Identity`."""
        self.address = lru_cache(maxsize=_REMEMBERED)(self._text)
        """The hash of a recipient's address, whatever the message."""

    def message(self, message_id: str) -> int:
        """The hash of a message id."""
        return self._text(message_id)

    def alias(self, alias: str) -> int:
        """The hash of an alias."""
        return self._text(alias)

    def ref(self, message_ref: str) -> int:
        """The hash of a message ref, which shares an index with aliases."""
        return self._hash(b"ref\0" + message_ref.encode())

    def recipient(self, provider: str, recipient: str) -> int:
        """The hash of a provider and a recipient."""
        return self._hash(b"%b\0%b" % (provider.encode(), recipient.encode()))

    def _identity(self, identity: Identity) -> IdentityHashes:
        return IdentityHashes(self._text(identity.message_id), self.recipient(identity.provider, identity.recipient))

    def _text(self, text: str) -> int:
        return self._hash(text.encode())

    def _hash(self, data: bytes) -> int:
        return int.from_bytes(blake2b(data, digest_size=8, key=self._key).digest(), "big", signed=True)
