"""Copies a store into another one, of whichever engines: table by table, from where it stopped, and proved at the end.

All is kept: positions, ids, the log's name, its floor and its fingerprints, so that tokens and pages stay good.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Final, TypeAlias

from msgstate_server.domain.errors import StoreUnusable
from msgstate_server.failpoints import failpoint
from msgstate_server.store.check import Finding, Summary, check
from msgstate_server.store.comparing import compare
from msgstate_server.store.copyable import (
    BATCH_ROWS,
    STATUSES,
    TABLES,
    Contents,
    Copyable,
    Destination,
    Source,
    Standing,
    Table,
    View,
)
from msgstate_server.store.protocol import Audit, RecipientRecord, Unreadable

Tell: TypeAlias = Callable[[str, int, int], None]
"""Is told what is done, and how many rows of how many are done."""

_WRITTEN_TO: Final = (
    "SOURCE was written to while it was copied, so DEST is left unfinished: stop every server on SOURCE, and run the "
    "same command again"
)
_ELSE: Final = "name an empty database or a new file"


class Copied:
    """What was copied, when all of it is."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.rows: dict[str, int] = {}
        """Rows by table."""
        self.went_on = False
        """Whether a copy that was unfinished was gone on with."""
        self.finished = False


async def copy(
    source: Copyable, destination: Copyable, copied: Copied, tell: Tell, batch: int = BATCH_ROWS
) -> AsyncIterator[Finding]:
    """Make `destination` what `source` is; gives what keeps it from being that, and `copied` says how far it came.

    A copy that ended midway is gone on with by the next one, or begun anew where the source is no longer what it was.
    Raises `StoreUnusable` where either cannot be opened, read or written, or the source was written to meanwhile.
    """
    async with source.source() as own, destination.destination() as made:
        standing = await own.standing()
        contents = await made.contents()
        _require_room(contents, standing)
        copied.rows = {table.name: await own.count(table) for table in TABLES}
        findings = 0
        async for finding in _check("SOURCE", own, copied, tell):
            findings += 1
            yield finding
        if findings:
            return
        copied.went_on = await _start(made, contents, standing)
        failpoint("copy.after_begin")
        await _copy(own, made, copied, tell, batch)
        await made.write_standing(standing)
        failpoint("copy.after_standing")
        await _require_untouched(own, standing)
        async for finding in _prove(own, made, copied, tell, batch):
            findings += 1
            yield finding
        await _require_untouched(own, standing)
        if findings:
            await made.give_up()
            return
        failpoint("copy.after_proof")
        await made.finish()
        failpoint("copy.after_finish")
        copied.finished = True


def _require_room(contents: Contents | None, standing: Standing) -> None:
    """Refuse a place that holds anything but what this copy may write over."""
    if contents is None:
        return
    own, found = standing.head.log_id, contents.log_id
    if contents.marker is not None:
        if contents.marker.log_id != own:
            raise StoreUnusable(f"DEST is an unfinished copy of another log ({contents.marker.log_id.hex()}): {_ELSE}")
    elif found == own:
        raise StoreUnusable(f"DEST has this log ({found.hex()}) already: it is SOURCE itself, or a finished copy of it")
    elif not contents.is_empty:
        holds = f"events up to position {contents.position}" if contents.position else "no event, but other rows"
        raise StoreUnusable(f"DEST has another log ({found.hex()}) with {holds}: {_ELSE}")


async def _start(made: Destination, contents: Contents | None, standing: Standing) -> bool:
    """Prepare the destination; gives whether something is there to go on with."""
    if contents is not None and contents.marker is not None and contents.marker.standing == standing.encode():
        await made.go_on()
        return True
    await made.begin(standing)
    return False


async def _copy(own: Source, made: Destination, copied: Copied, tell: Tell, batch: int) -> None:
    total = sum(copied.rows.values())
    done = sum([await made.count(table) for table in TABLES]) if copied.went_on else 0
    tell("copying", done, total)
    for table in TABLES:
        async for rows in _batches(own, table, await made.last_key(table), batch):
            await made.write(table, rows)
            failpoint("copy.after_batch")
            done += len(rows)
            tell("copying", done, total)


async def _batches(
    view: View, table: Table, after: tuple[int, ...], batch: int
) -> AsyncIterator[Sequence[tuple[object, ...]]]:
    """The rows of a table after a key; while one batch is written the next one is read."""
    reading = asyncio.create_task(view.read(table, after, batch))
    try:
        while rows := await reading:
            reading = asyncio.create_task(view.read(table, table.key_of(rows[-1]), batch))
            yield rows
    finally:
        reading.cancel()


async def _require_untouched(own: Source, standing: Standing) -> None:
    await own.look_again()
    if await own.standing() != standing:
        raise StoreUnusable(_WRITTEN_TO)


async def _prove(own: Source, made: Destination, copied: Copied, tell: Tell, batch: int) -> AsyncIterator[Finding]:
    """Both hold the same, and what they hold agrees with itself."""
    counted = _Counted(partial(tell, "comparing"), sum(copied.rows.values()))
    differ = False
    async for finding in compare(own, made, batch, counted):
        differ = True
        yield finding
    if not differ:
        async for finding in _check("DEST", made, copied, tell):
            yield finding


async def _check(name: str, view: View, copied: Copied, tell: Tell) -> AsyncIterator[Finding]:
    counted = _Counted(partial(tell, f"checking {name}"), copied.rows[STATUSES.name])
    async for where, what in check(_CountedAudit(view, await view.audit(), counted), Summary()):
        yield Finding(f"{name}: {where}", what)


class _Counted:
    """Adds up what is done."""

    def __init__(self, tell: Callable[[int, int], None], total: int) -> None:
        self._tell, self._total, self._done = tell, total, 0
        tell(0, total)

    def __call__(self, count: int) -> None:
        """So much more is done."""
        self._done += count
        self._tell(self._done, self._total)


class _CountedAudit:
    """An audit that tells how many recipients were read."""

    def __init__(self, view: View, audit: Audit, counted: _Counted) -> None:
        self.head = audit.head
        self.hashes = audit.hashes
        self._view, self._audit, self._counted = view, audit, counted

    async def recipients(self) -> AsyncIterator[RecipientRecord | Unreadable]:
        """See `Audit`."""
        with self._view.reporting_errors():
            async for record in self._audit.recipients():
                self._counted(1)
                yield record

    async def log(self) -> AsyncIterator[tuple[int, int]]:
        """See `Audit`."""
        with self._view.reporting_errors():
            async for place in self._audit.log():
                yield place
