import asyncio
import socket
from pathlib import Path

import pytest

from tests.robustness.arena import Arena
from tests.robustness.engines import SqliteFile
from tests.robustness.faults import NotFired, strike

pytestmark = pytest.mark.asyncio(loop_scope="session")


def _arena(folder: Path, patience: float) -> Arena:
    """One in which nothing runs."""
    return Arena(folder, SqliteFile(folder), 1, None, patience)


async def test_a_cut_waits_for_a_connection(tmp_path: Path) -> None:
    """Where all are away at that moment, such as after another fault, the next one that comes is cut."""
    arena = _arena(tmp_path, 30.0)
    proxy = arena.replicas[0].grpc
    await proxy.start()
    try:
        cutting = asyncio.create_task(strike(arena, arena.replicas[0], "cut"))
        # It has looked once, and found nothing.
        await asyncio.sleep(0)
        with socket.create_server(("127.0.0.1", 0)) as server:
            proxy.target = "{}:{}".format(*server.getsockname())
            host, _, port = proxy.address.rpartition(":")
            with socket.create_connection((host, int(port)), timeout=30.0) as client:
                await cutting
                assert await asyncio.to_thread(client.recv, 1) == b""
    finally:
        await proxy.close()


async def test_a_cut_without_connections_is_told(tmp_path: Path) -> None:
    """A fault that did not happen is not taken for one that did no harm."""
    arena = _arena(tmp_path, 0.0)
    with pytest.raises(NotFired, match="no connection was there to be cut"):
        await strike(arena, arena.replicas[0], "cut")
