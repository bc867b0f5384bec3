"""What becomes of connections to a host that fell silent, once another one takes the writes."""

import asyncio
import time
from contextlib import AsyncExitStack
from typing import Final

import asyncpg
import pytest

from msgstate_server.domain.errors import StoreUnavailable
from msgstate_server.store.postgres import PostgresStore
from msgstate_server.store.postgres.sessions import SETTINGS
from tests.builders import Clock, append, event, positions
from tests.postgres.network import BLACK_HOLE, behind_proxy
from tests.rpc.running import eventually

SOON: Final = 8.0
"""Less than a statement may take."""


async def test_a_write_at_a_silent_host_is_broken_off(postgres_dsn: str) -> None:
    """Whoever waits for a host that fell silent is told once the next host answers, and goes on there at once."""
    async with AsyncExitStack() as opened:
        first, one = await opened.enter_async_context(behind_proxy(postgres_dsn))
        second, _ = await opened.enter_async_context(behind_proxy(postgres_dsn))
        store = await PostgresStore.open(one.replace(first.address, f"{first.address},{second.address}"), Clock())
        opened.push_async_callback(store.close)
        holder = await asyncpg.connect(postgres_dsn, server_settings=SETTINGS)
        await holder.execute("BEGIN; UPDATE head SET position = position")
        appending = asyncio.create_task(append(store, event(message_id="silent")))
        reading = asyncio.create_task(store._pages.run(lambda page: page.execute("SELECT pg_sleep(60)")))  # noqa: SLF001
        await eventually(lambda: bool(store._write._in_use and store._pages._in_use))  # noqa: SLF001
        await store.read_head()
        first.turn(BLACK_HOLE)
        began = time.monotonic()
        for waiting in (appending, reading):
            with pytest.raises(StoreUnavailable):
                await waiting
        assert time.monotonic() - began < SOON
        holder.terminate()
        assert positions(await append(store, event(message_id="next"))) == [1]
        assert time.monotonic() - began < SOON


async def test_a_slow_statement_is_left_alone(postgres_dsn: str) -> None:
    """While the head can be read nothing that takes longer than that may is broken off."""
    async with behind_proxy(postgres_dsn) as (_, url):
        store = await PostgresStore.open(url, Clock())
        try:
            await store._pages.run(lambda page: page.execute("SELECT pg_sleep(4)"))  # noqa: SLF001
        finally:
            await store.close()
