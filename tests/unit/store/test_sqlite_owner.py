"""Whose files a store's are when root runs a command on the store of a service user."""

import os
from pathlib import Path

import pytest

from msgstate_server.store.sqlite import SqliteStore, SqliteUpkeep
from tests.builders import Clock, append, numbered

SERVICE_USER = 12_345


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
async def test_roots_command_does_not_lock_the_service_user_out(store: SqliteStore) -> None:
    """Every file that root leaves beside the store has the store's owner, so that its server can open them."""
    await append(store, *numbered(3))
    await store.close()
    files = [Path(path) for path in store.path.parent.glob("*.db*")]
    for path in files:
        if path == store.path:
            os.chown(path, SERVICE_USER, SERVICE_USER)
        else:
            path.unlink()

    SqliteUpkeep(store.path).compact_file()
    SqliteUpkeep(store.path).migrate()
    again = await SqliteStore.open(store.path, Clock())
    await append(again, *numbered(3, first=3))
    owners = {path.name: (path.stat().st_uid, path.stat().st_gid) for path in store.path.parent.glob("*.db*")}
    await again.close()

    assert set(owners) == {f"{store.path.name}{suffix}" for suffix in ("", "-lock", "-shm", "-wal")}
    assert set(owners.values()) == {(SERVICE_USER, SERVICE_USER)}
