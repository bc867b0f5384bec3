"""The way to a database, which a test can spoil."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from tests.robustness.proxy import DOWN, UP, Proxy, Weather

BLACK_HOLE = Weather(holes=frozenset({UP, DOWN}))
"""All that is sent is taken, and nothing arrives."""


@asynccontextmanager
async def behind_proxy(dsn: str) -> AsyncIterator[tuple[Proxy, str]]:
    """A proxy before the database, and the URL that leads through it."""
    parts = urlsplit(dsn)
    proxy = Proxy(random.Random(0))  # noqa: S311
    proxy.target = f"{parts.hostname}:{parts.port}"
    await proxy.start()
    try:
        yield proxy, parts._replace(netloc=f"{parts.username}@{proxy.address}").geturl()
    finally:
        await proxy.close()
