"""Deletes what is old: events of silent recipients, then the recipients themselves, and kept bodies.

It works in small steps with a pause after each, so that live traffic finds the store free most of the time. After a
sweep it gives free pages back to the file system, in the same way.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

import structlog

from msgstate_server.domain.errors import StoreUnavailable
from msgstate_server.store.protocol import Step, Store

SWEEP_SECONDS: Final = 3_600.0
"""How long after one sweep the next begins."""
ROWS: Final = 250
"""Rows that one step looks at, and mostly the most that it deletes."""
PAGES: Final = 100
"""Pages that one step gives back to the file system, of 4 KiB each."""
_PAUSE: Final = 1.0
"""A pause in the time of the step before it, so that steps take half of the writer's time at most."""

_log = structlog.get_logger("msgstate.retention")


class Periods(NamedTuple):
    """How long things are kept, in microseconds; None is for ever.

    The log's and the status's count from a recipient's last event, the payload's from its receipt.
    """

    log: int | None
    status: int | None
    payload: int | None


class Retention:
    """Sweeps one store again and again. `clock` gives microseconds since 1970."""

    def __init__(
        self,
        store: Store,
        periods: Periods,
        clock: Callable[[], int],
        sweep_seconds: float = SWEEP_SECONDS,
        rows: int = ROWS,
    ) -> None:
        """Prepare; `run` begins with a sweep, and begins another `sweep_seconds` after the end of one."""
        self._store = store
        self._periods = periods
        self._clock = clock
        self._sweep_seconds = sweep_seconds
        self._rows = rows

    async def run(self) -> None:
        """Sweep until cancelled. A step that has begun is finished by the store."""
        while True:
            try:
                await self.sweep()
            except StoreUnavailable:
                _log.warning("retention waits for the database, and goes on with the next sweep")
            except Exception:  # noqa: BLE001
                # What is not deleted costs room alone: it must not end the intake of events.
                _log.exception("retention failed, and goes on with the next sweep")
            await asyncio.sleep(self._sweep_seconds)

    async def sweep(self) -> None:
        """Delete all that is due now; raises `StoreUnavailable`."""
        started = _now()
        events = await self._walk(self._store.compact, self._periods.log)
        recipients = await self._walk(self._store.forget, self._periods.status)
        payloads = await self._walk(self._store.discard_payloads, self._periods.payload)
        if events or recipients or payloads:
            seconds = round(_now() - started, 3)
            _log.info("deleted what is old", events=events, recipients=recipients, payloads=payloads, seconds=seconds)
        await self._release_pages()

    async def _release_pages(self) -> None:
        """Give free pages back, so that the file shrinks after much was deleted."""
        released = 0
        while True:
            started = _now()
            step = await self._store.release_pages(PAGES)
            if not step:
                break
            released += step
            await asyncio.sleep(_PAUSE * (_now() - started))
        if released:
            _log.info("gave free space back to the file system", pages=released)

    async def _walk(self, step: Callable[[int, int, int], Awaitable[Step]], period: int | None) -> int:
        """Take one step after another to the end; gives how many rows were deleted."""
        if period is None:
            return 0
        before, after, deleted = self._clock() - period, 0, 0
        while True:
            started = _now()
            done = await step(before, after, self._rows)
            deleted += done.deleted
            if done.next is None:
                return deleted
            after = done.next
            await asyncio.sleep(_PAUSE * (_now() - started))


def _now() -> float:
    return asyncio.get_running_loop().time()
