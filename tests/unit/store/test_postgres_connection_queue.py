"""Who waits for a connection does so as long as others are served, but not where the database is known to be away."""

import asyncio
from typing import Any

import pytest

from msgstate_server.domain.errors import StoreUnavailable
from msgstate_server.store.postgres import connection
from msgstate_server.store.postgres.connection import Connections
from msgstate_server.store.postgres.hosts import Hosts
from tests.rpc.running import eventually

READERS = 40


class Away(Hosts):
    """Hosts of which none answers; tells how often one was asked."""

    def __init__(self) -> None:
        """Name a database that is never asked for."""
        super().__init__("postgresql://nobody@nowhere/none")
        self.asked = 0
        self.gone = asyncio.Event()

    async def connect(self, *_: object, **__: Any) -> Any:
        """Find out after a while."""
        self.asked += 1
        await self.gone.wait()
        raise ConnectionRefusedError("gone")


async def test_a_long_queue_is_served(postgres_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many wait, and however long that takes: where each has its turn, the database is not away."""
    connections = Connections(Hosts(postgres_dsn), 1)
    await connections.open()
    try:
        await connections.run(lambda own: own.fetchval("SELECT 1"))
        monkeypatch.setattr(connection, "CONNECT_SECONDS", 0.1)
        reads = [connections.run(lambda own: own.fetchval("SELECT 1 FROM pg_sleep(0.02)")) for _ in range(READERS)]
        assert await asyncio.gather(*reads) == [1] * READERS
    finally:
        await connections.close()


async def test_all_who_wait_are_told_that_the_database_is_away() -> None:
    """Where one finds no connection, the others who wait for theirs do not find that out one after the other."""
    hosts = Away()
    connections = Connections(hosts, 2)
    await connections.open()
    reads = [asyncio.create_task(connections.run(lambda own: own.fetchval("SELECT 1"))) for _ in range(READERS)]
    await eventually(lambda: hosts.asked == 2)
    hosts.gone.set()
    async with asyncio.timeout(1):
        found = await asyncio.gather(*reads, return_exceptions=True)
    await connections.close()

    assert {type(each) for each in found} == {StoreUnavailable}
    assert hosts.asked == 2


async def test_who_goes_away_takes_nobodys_turn(postgres_dsn: str) -> None:
    """Whenever those who wait are cancelled, before their turn or as it comes, those behind them have theirs."""
    connections = Connections(Hosts(postgres_dsn), 1)
    await connections.open()
    try:
        for turns in range(30):
            reads = [asyncio.create_task(connections.run(lambda own: own.fetchval("SELECT 1"))) for _ in range(4)]
            for _ in range(turns):
                await asyncio.sleep(0)
            reads[0].cancel()
            reads[1].cancel()
            found = await asyncio.gather(*reads, return_exceptions=True)
            assert found[2:] == [1, 1]
    finally:
        await connections.close()
