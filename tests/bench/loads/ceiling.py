"""The most that writers who share a head can commit: `ceiling DSN` prints events per second by batch and latency.

Eight writers, each with a connection of its own, commit batches of events about messages of their own. A proxy between
them and the database holds back every packet for the latency, there and back, as a network would.
"""

import asyncio
import json
import random
import sys
import time
from typing import Final
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg

from msgstate_server.store.postgres import PostgresStore
from tests.builders import Clock, append, event
from tests.robustness.proxy import Proxy, Weather

_WRITERS: Final = 8
_SECONDS: Final = 3.0
BATCHES: Final = (1, 10, 100, 1_000)
LATENCIES: Final = (0.0, 0.001, 0.005)
"""One way, in seconds."""


async def _rate(url: str, batch: int) -> float:
    """Events committed in a second."""
    stores = [await PostgresStore.open(url, Clock()) for _ in range(_WRITERS)]
    done = 0

    async def write(own: int, store: PostgresStore) -> None:
        nonlocal done
        number = 0
        while time.perf_counter() < end:
            await append(store, *(event(message_id=f"{own}-{number}-{each}") for each in range(batch)))
            number += 1
            done += batch if time.perf_counter() < end else 0

    end = time.perf_counter() + _SECONDS
    await asyncio.gather(*(write(own, store) for own, store in enumerate(stores)))
    for store in stores:
        await store.close()
    return done / _SECONDS


async def _measured(dsn: str, latency: float, batch: int) -> float:
    """The rate in a database of its own, through a proxy."""
    address = urlsplit(dsn)
    proxy = Proxy(random.Random(0))  # noqa: S311
    proxy.target = f"{address.hostname}:{address.port}"
    await proxy.start()
    proxy.turn(Weather(delay=latency))
    name = f"ceiling_{uuid4().hex}"
    admin = await asyncpg.connect(dsn)
    await admin.execute(f"CREATE DATABASE {name}")
    try:
        return await _rate(
            address._replace(netloc=f"{address.username}@{proxy.address}", path=f"/{name}").geturl(), batch
        )
    finally:
        await proxy.close()
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await admin.close()


async def main() -> None:
    """Measure every batch at every latency."""
    found = {
        f"{latency * 1_000:g} ms": {
            str(batch): round(await _measured(sys.argv[1], latency, batch)) for batch in BATCHES
        }
        for latency in LATENCIES
    }
    print(json.dumps(found))  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main())
