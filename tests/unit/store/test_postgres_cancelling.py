"""What is cancelled within a transaction, as retention is where a server stops, leaves nothing of it behind."""

import asyncio
from contextlib import suppress
from typing import Any

from msgstate_server.store.postgres import PostgresStore
from tests.builders import NOW, Clock, append, numbered

TURNS = 60
"""More turns of the loop than a step of retention takes."""


async def test_a_step_that_is_cancelled_leaves_its_connection_clean(postgres_dsn: str) -> None:
    """Whenever a step of retention is cancelled, its connection takes no open transaction back to the others."""
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    store = await PostgresStore.open(postgres_dsn, Clock())
    try:
        await append(store, *numbered(5))
        for turns in range(TURNS):
            step = asyncio.create_task(store.compact(NOW - 1, 0, 10))
            for _ in range(turns):
                await asyncio.sleep(0)
            step.cancel()
            with suppress(asyncio.CancelledError):
                await step
        await store.compact(NOW + 1, 0, 10)
    finally:
        await store.close()

    assert store.head.floor == 5
    assert told == []
