"""The composition root where it cannot start."""

import asyncio
import socket
from pathlib import Path

import pytest

from msgstate_server.app import Service
from msgstate_server.settings import Settings, SettingsError


async def test_a_period_that_is_none_opens_nothing(tmp_path: Path) -> None:
    """A setting that cannot be read is refused before the store or a port is open, and nothing is left running."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    store = tmp_path / "msgstate.db"
    settings = Settings(store=f"sqlite:///{store}", grpc="127.0.0.1:0", http=address, log_retention="long")

    with pytest.raises(SettingsError, match="log_retention"):
        await Service(settings).start()

    assert {asyncio.current_task()} == asyncio.all_tasks()
    assert not store.exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])))
