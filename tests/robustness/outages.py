"""What befalls a database itself, and with it all servers that share it, each by its name.

In a failover the primary is lost and the standby takes over; in a late one the standby is lost for a while first, in
which nothing may be acknowledged.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from tests.robustness.arena import Arena
from tests.robustness.replica import Replica

FAILOVER: Final = "database failover"
FAILOVERS: Final = "failovers"
"""What all of them are counted as."""
_LATE_SECONDS: Final = 0.5
"""How long the standby is away: longer than it takes to acknowledge something that should not be."""
_NOTICE_SECONDS: Final = (0.0, 1.0)
"""How long it takes until a standby is told to take over."""


async def _crash(arena: Arena, _: Replica) -> None:
    async with _away(arena):
        await asyncio.to_thread(arena.database.servers.restart)


async def _fail_over(arena: Arena, _: Replica) -> None:
    await asyncio.to_thread(arena.database.servers.primary.kill)
    await asyncio.sleep(arena.chosen.uniform(*_NOTICE_SECONDS))
    async with _away(arena):
        await asyncio.to_thread(arena.database.servers.fail_over)
    await asyncio.to_thread(arena.database.servers.renew_standby)
    _reach(arena)
    arena.counts[FAILOVERS] += 1


async def _fail_over_late(arena: Arena, replica: Replica) -> None:
    await asyncio.to_thread(arena.database.servers.standby.kill)
    await asyncio.sleep(_LATE_SECONDS)
    await _fail_over(arena, replica)


@asynccontextmanager
async def _away(arena: Arena) -> AsyncIterator[None]:
    """Keep the servers from the database until it was looked at: what retention deletes next is seen before."""
    for replica in arena.replicas:
        replica.reach([""] * len(arena.database.addresses))
    yield
    await asyncio.to_thread(arena.archive.look)
    _reach(arena)


def _reach(arena: Arena) -> None:
    for replica in arena.replicas:
        replica.reach(arena.database.addresses)


OUTAGES: Final[dict[str, Callable[[Arena, Replica], Awaitable[None]]]] = {
    "database crash": _crash,
    FAILOVER: _fail_over,
    "database late failover": _fail_over_late,
}
