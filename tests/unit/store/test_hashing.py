"""The hashes of ids are keyed for each store, since whoever can make two ids collide could merge two recipients."""

from hashlib import blake2b
from itertools import count

import pytest

from msgstate_server.domain.identity import Identity
from msgstate_server.store.hashing import Hashes
from msgstate_server.store.sqlite import SqliteStore
from tests.builders import append, event


def short_hash(data: bytes, key: bytes = b"") -> int:
    """A hash as the store's, but of 16 bits, so that two ids with the same one are found at once."""
    return int.from_bytes(blake2b(data, digest_size=2, key=key).digest(), "big")


def colliding(key: bytes = b"") -> tuple[str, str]:
    """Two message ids with one short hash, found by trying: without a key, anyone can do that beforehand."""
    seen: dict[int, str] = {}
    for number in count():
        message_id = f"m-{number}"
        other = seen.setdefault(short_hash(message_id.encode(), key), message_id)
        if other != message_id:
            return other, message_id
    raise AssertionError


def test_a_collision_that_was_made_beforehand_does_not_hold_under_another_key() -> None:
    """What collides without a key is told apart under almost every key."""
    first, second = colliding()
    told_apart = [short_hash(first.encode(), bytes([n])) != short_hash(second.encode(), bytes([n])) for n in range(64)]
    assert sum(told_apart) > 60


async def test_a_colliding_id_is_what_the_key_protects_from(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two ids that collide under the store's own key cannot both be kept; no event is taken for the other's."""
    key = store._hashes._key  # noqa: SLF001
    monkeypatch.setattr(Hashes, "_hash", lambda self, data: short_hash(data, self._key))
    first, second = colliding(key)
    await append(store, event(message_id=first))
    with pytest.raises(Exception, match="UNIQUE constraint failed"):
        await append(store, event(message_id=second))
    assert [found.message_id for found in await store.read_recipients(first, "acme", "", 10)] == [first]
    assert await store.read_recipients(second, "acme", "", 10) == []


def test_each_key_has_hashes_of_its_own() -> None:
    """Each of the hashes depends on the store's key, and an alias never shares one with a ref."""
    one, other = Hashes(b"1" * 16), Hashes(b"2" * 16)
    identity = Identity("acme", "m", "a@example.com")
    assert one.identity(identity) != other.identity(identity)
    assert one.address("a@example.com") != other.address("a@example.com")
    assert one.alias("7") != other.alias("7")
    assert one.ref("7") != other.ref("7")
    assert one.ref("7") != one.alias("7")
    assert one.recipient("ac", "mea") != one.recipient("acme", "a")


async def test_each_store_has_a_key_of_its_own(store: SqliteStore) -> None:
    """Two new stores hash one id differently."""
    other = await SqliteStore.open(store.path.with_name("other.db"))
    await other.close()
    assert store._hashes.message("m") != other._hashes.message("m")  # noqa: SLF001
