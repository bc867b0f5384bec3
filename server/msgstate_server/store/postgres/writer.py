"""Commits batches: decides on each within the transaction that commits it, whichever replica commits beside it.

A transaction has four steps. Their order makes positions dense and in commit order, and keeps deadlocks out:

1. Insert the recipients that may be new, in the order of their hashes.
2. Lock all recipients, in the same order. If one is missing, start over: an insert must not follow a lock.
3. Read what the log has of them, in a statement of its own.
4. Take the positions from the head and write all that needs one, in one statement; the commit comes next.
"""

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from operator import attrgetter, itemgetter
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from msgstate_server.domain.decision import (
    Appended,
    Candidate,
    Decision,
    Outcome,
    StoredStatus,
    Submission,
    decide,
)
from msgstate_server.domain.identity import Identity
from msgstate_server.failpoints import failpoint
from msgstate_server.store.bounded_cache import evict_oldest
from msgstate_server.store.hashing import Hashes, IdentityHashes
from msgstate_server.store.postgres.connection import (
    Connection,
    Connections,
    StartOver,
    break_off,
    is_undone,
    pause,
    translated,
)
from msgstate_server.store.postgres.queries import SQL, execute
from msgstate_server.store.rows import compressed, event_row, quarantine_row, status_from_row, status_row

_RECENT_RECIPIENTS: Final = 16_384
"""Recipients remembered as being there, so that they are not inserted again: their events come close together."""
_TRIES: Final = 8
"""How often a transaction is begun that another one undoes, or that waits for a lock in vain."""

_T = TypeVar("_T")
_encode: Final = msgspec.json.Encoder().encode


class Last(NamedTuple):
    """The last row that was committed, as the head tells it."""

    position: int
    commit_time: int
    fingerprint: bytes


class Written(NamedTuple):
    """What was committed; `last` is None where no event was new."""

    outcomes: list[list[Outcome]]
    last: Last | None


class _Loaded(NamedTuple):
    """What a batch is decided on; all of it stays as it is until the commit."""

    statuses: dict[Identity, StoredStatus]
    known: dict[tuple[int, str], int]


class Writer:
    """Writes over connections of its own; `clock` gives commit times."""

    def __init__(self, connections: Connections, hashes: Hashes, clock: Callable[[], int]) -> None:
        """Start with no recipient remembered."""
        self._connections = connections
        self._hashes = hashes
        self._clock = clock
        self._recent: dict[Identity, None] = {}

    async def write(self, submissions: Sequence[Submission]) -> Written:
        """Commit what is new, in one transaction; raises `StoreUnavailable`."""
        return await self._again(lambda connection: self._write(connection, submissions))

    async def transact(self, step: Callable[[Connection], Coroutine[Any, Any, _T]]) -> _T:
        """What a step of retention gives, its changes committed; raises `StoreUnavailable`."""

        async def committed(connection: Connection) -> _T:
            transaction = connection.transaction()
            await transaction.start()
            try:
                done = await step(connection)
            except BaseException as error:
                await _roll_back(connection, transaction, error)
                raise
            await transaction.commit()
            return done

        return await self._again(committed)

    async def discard_quarantined(self, ids: Sequence[int]) -> int:
        """Throw these away; gives how many were there."""
        return await self._again(lambda connection: execute(connection, "discard_quarantined", ids))

    async def _again(self, work: Callable[[Connection], Coroutine[Any, Any, _T]]) -> _T:
        """Try a transaction again if another one undid it."""
        with translated("written"):
            for tries in range(_TRIES):
                try:
                    async with self._connections.acquired() as connection:
                        return await work(connection)
                except Exception as error:
                    if not is_undone(error):
                        raise
                    await pause(tries)
            async with self._connections.acquired() as connection:
                return await work(connection)

    async def _write(self, connection: Connection, submissions: Sequence[Submission]) -> Written:
        failpoint("write.before_begin")
        candidates = [candidate for submission in submissions for candidate in submission.candidates]
        transaction = connection.transaction()
        await transaction.start()
        try:
            failpoint("write.after_begin")
            loaded = await self._load(connection, candidates)
            failpoint("write.after_load")
            # Positions and the commit time are the head's to give: until then the events are counted up to 0.
            start = -len(candidates)
            decision = decide(submissions, loaded.statuses, loaded.known, start, self._clock())
            payload_ids = await _write_bodies(connection, submissions, decision)
            failpoint("write.after_bodies")
            await _write_names(connection, decision, self._hashes)
            failpoint("write.after_aliases")
            base, commit_time = 0, 0
            if decision.appended:
                base, commit_time = await self._append(connection, decision, payload_ids, start)
            failpoint("write.after_head")
        except BaseException as error:
            await _roll_back(connection, transaction, error)
            raise
        await transaction.commit()
        failpoint("write.after_commit")
        self._remember(loaded.statuses)
        return _written(decision, base - start, commit_time)

    async def _load(self, connection: Connection, candidates: Sequence[Candidate]) -> _Loaded:
        """Steps 1 to 3."""
        if not candidates:
            return _Loaded({}, {})
        wanted = {candidate.identity: self._hashes.identity(candidate.identity) for candidate in candidates}
        hashes = tuple(zip(*wanted.values(), strict=True))
        new = {identity: own for identity, own in wanted.items() if identity not in self._recent}
        if new:
            await _insert(connection, new, self._hashes)
        rows = await connection.fetch(SQL["lock_statuses"], *hashes)
        if len(rows) < len(wanted):
            # Retention forgot some of them, maybe between the two statements. Inserting them now, with locks held,
            # could deadlock with another server that inserts them too.
            for identity in wanted:
                self._recent.pop(identity, None)
            raise StartOver
        statuses = {stored.identity: stored for stored in map(status_from_row, rows)}
        keys = [
            (stored.id, bytes.fromhex(candidate.key))
            for candidate in candidates
            if (stored := statuses[candidate.identity]).status.version
        ]
        known = await connection.fetch(SQL["load_keys"], *zip(*keys, strict=True)) if keys else ()
        return _Loaded(statuses, {(status_id, key.hex()): position for status_id, key, position in known})

    def _remember(self, identities: Iterable[Identity]) -> None:
        """They are there now; those that were there the longest make room."""
        self._recent |= dict.fromkeys(identities)
        evict_oldest(self._recent, _RECENT_RECIPIENTS)

    async def _append(
        self,
        connection: Connection,
        decision: Decision,
        payload_ids: Mapping[int, int],
        start: int,
    ) -> tuple[int, int]:
        """Step 4: the position before the first new one, and the commit time."""
        entries = [
            _entry_columns(appended, payload_ids.get(appended.submission), start) for appended in decision.appended
        ]
        moved = {appended.status_id for appended in decision.appended if appended.entry.moved}
        statuses = [
            _status_columns(status_row(stored, identity, self._hashes), stored, stored.id in moved, start)
            for identity, stored in decision.changed.items()
        ]
        row = await connection.fetchrow(
            SQL["append"],
            len(decision.appended),
            self._clock(),
            *zip(*entries, strict=True),
            *zip(*statuses, strict=True),
        )
        failpoint("write.after_events")
        return row["base"], row["commit_time"]


async def _roll_back(connection: Connection, transaction: Any, error: BaseException) -> None:
    """Undo what was done; a connection on which that fails is of no use any more, and one that does not answer."""
    if isinstance(error, TimeoutError):
        break_off(connection)
        return
    try:
        await transaction.rollback()
    except Exception:  # noqa: BLE001
        break_off(connection)


def _entry_columns(appended: Appended, payload_id: int | None, start: int) -> tuple[object, ...]:
    """What `append` writes of a row of the log: its place, and nothing of the commit time."""
    row = event_row(appended, payload_id)
    return (appended.entry.position - start, *row[1:10], payload_id)


def _status_columns(row: Sequence[object], stored: StoredStatus, moved: bool, start: int) -> tuple[object, ...]:
    """What `append` writes of a status; the place of its last transition where it has one in this batch."""
    place = stored.status.position - start if moved else None
    return (row[0], row[6], row[7], place, *row[9:23], row[26], row[27])


async def _insert(connection: Connection, new: Mapping[Identity, IdentityHashes], hashes: Hashes) -> None:
    """Step 1, for these recipients."""
    addresses = [hashes.address(identity.recipient) for identity in new]
    columns = (*zip(*new.values(), strict=True), *zip(*new, strict=True), addresses)
    await connection.execute(SQL["insert_statuses"], *columns)
    failpoint("write.after_statuses")


async def _write_bodies(
    connection: Connection, submissions: Sequence[Submission], decision: Decision
) -> dict[int, int]:
    """Keep the bodies that brought a new event, and what is not understood; a body's id by its submission's index."""
    await _write_quarantine(connection, submissions)
    kept = decision.payloads(submissions)
    if not kept:
        return {}
    rows = [
        (payload.provider, payload.account, payload.received_time, compressed(payload.body))
        for payload in kept.values()
    ]
    ids = await connection.fetch(SQL["write_payloads"], *zip(*rows, strict=True))
    return dict(zip(kept, sorted(row["id"] for row in ids), strict=True))


async def _write_quarantine(connection: Connection, submissions: Sequence[Submission]) -> None:
    """Keep what is not understood: numbered as it came, written in the order of the digests, as all writers do."""
    replayed = [each for each in submissions if each.quarantined]
    for each in sorted(replayed, key=attrgetter("quarantined")):
        await connection.execute(SQL["write_problems"], each.quarantined, _text(each.problems))
    rows = [
        quarantine_row(each.payload, each.problems)
        for each in submissions
        if each.problems and each.payload is not None and not each.quarantined
    ]
    if rows:
        numbers = await connection.fetch(SQL["number_quarantine"], len(rows))
        for row in sorted(map(tuple.__add__, sorted(map(tuple, numbers)), rows), key=itemgetter(1)):
            await connection.execute(SQL["write_quarantine"], *row)


async def _write_names(connection: Connection, decision: Decision, hashes: Hashes) -> None:
    rows = [(hashes.alias(alias), status_id) for status_id, alias in decision.aliases]
    rows += [(hashes.ref(ref), status_id) for status_id, ref in decision.refs]
    # In order, so that two batches never wait for each other.
    rows.sort()
    if rows:
        await connection.execute(SQL["write_aliases"], *zip(*rows, strict=True))


def _written(decision: Decision, shift: int, commit_time: int) -> Written:
    """The decision with the positions that it got: those of new events were counted up to 0."""

    def placed(outcome: Outcome) -> Outcome:
        return outcome if outcome.position > 0 else Outcome(outcome.disposition, outcome.position + shift)

    outcomes = [list(map(placed, each)) for each in decision.outcomes]
    if not decision.appended:
        return Written(outcomes, None)
    entry = decision.appended[-1].entry
    last = msgspec.structs.replace(entry, position=entry.position + shift, commit_time=commit_time)
    return Written(outcomes, Last(last.position, last.commit_time, last.fingerprint))


def _text(value: object) -> str:
    return _encode(value).decode()
