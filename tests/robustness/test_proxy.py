import asyncio
import gc
import random
import socket

import pytest

from tests.robustness.proxy import Proxy

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_who_connects_as_a_proxy_closes_is_let_go() -> None:
    """A connection that was accepted just before the end is closed with all others."""
    proxy = Proxy(random.Random(1))  # noqa: S311
    await proxy.start()
    host, _, port = proxy.address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=5.0) as client:
        # In the turn of the loop between these two it is accepted.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await proxy.close()
        # Python would close what nobody holds, and warn of it, which fails a test.
        gc.collect()
        assert await asyncio.to_thread(client.recv, 1) == b""
