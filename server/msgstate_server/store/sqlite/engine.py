"""The `Store` protocol on SQLite: one thread writes, reads never wait for it (WAL)."""

import asyncio
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec
import structlog

from msgstate_server.domain.decision import (
    Candidate,
    Decision,
    Identity,
    Outcome,
    Payload,
    Problem,
    StoredStatus,
    Submission,
    decide,
)
from msgstate_server.domain.errors import StoreUnavailable, StoreUnusable
from msgstate_server.domain.identity import alias_hash, message_hash
from msgstate_server.domain.log import Head, LogEntry
from msgstate_server.domain.states import Evidence
from msgstate_server.domain.status import RecipientStatus
from msgstate_server.store.protocol import MessageKey, Quarantined
from msgstate_server.store.sqlite.bulk import write_rows
from msgstate_server.store.sqlite.connection import (
    FileLock,
    open_for_reading,
    open_for_writing,
    require_safe_library,
    unopenable,
)
from msgstate_server.store.sqlite.rows import event_row, status_row
from msgstate_server.store.sqlite.sql import statements

if TYPE_CHECKING:
    import sqlite3 as sqlite
else:
    import pysqlite3.dbapi2 as sqlite

SQL: Final = statements("queries.sql")

_COMPRESSION: Final = 1
"""Of zlib: on webhook bodies higher levels gain under a tenth and cost several times the time."""

_log = structlog.get_logger("msgstate.store")
_encode: Final = msgspec.json.Encoder().encode
_statuses: Final = msgspec.json.Decoder(list[tuple[int, int, StoredStatus]])
_known_keys: Final = msgspec.json.Decoder(list[tuple[int, str, int]])
_stored: Final = msgspec.json.Decoder(StoredStatus)
_messages: Final = msgspec.json.Decoder(list[MessageKey])
_counts: Final = msgspec.json.Decoder(list[tuple[Evidence, int]])
_entries: Final = msgspec.json.Decoder(list[LogEntry])
_problems: Final = msgspec.json.Decoder(list[Problem])

_T = TypeVar("_T")


def now() -> int:
    """The time, in microseconds since 1970."""
    return time.time_ns() // 1000


class SqliteStore:
    """A msgstate file, open for one server. Make it with `open`; see `Store` for what its methods promise."""

    def __init__(self, path: Path, clock: Callable[[], int]) -> None:
        """Open the file; raises `StoreUnusable`."""
        require_safe_library()
        self.path = path
        self._clock = clock
        self._lock = FileLock(path.resolve())
        try:
            self._writer = open_for_writing(path)
            self._reader = open_for_reading(path)
            self._pager = open_for_reading(path)
            self._head = read_head(self._writer)
        except BaseException as error:
            self._lock.release()
            if isinstance(error, sqlite.Error):
                raise StoreUnusable(unopenable(path, error)) from error
            raise
        self._advanced = asyncio.Event()
        self._write_thread = ThreadPoolExecutor(1, "msgstate-write")
        self._page_thread = ThreadPoolExecutor(1, "msgstate-read")

    @classmethod
    async def open(cls, path: Path, clock: Callable[[], int] = now) -> "SqliteStore":
        """Open the file, made new where there is none; raises `StoreUnusable`. `clock` gives commit times."""
        return await asyncio.to_thread(cls, path, clock)

    @property
    def head(self) -> Head:
        """See `Store`."""
        return self._head

    async def wait_for_head(self, beyond: int) -> Head:
        """See `Store`."""
        while self._head.position <= beyond:
            await self._advanced.wait()
        return self._head

    async def append(self, submissions: Sequence[Submission]) -> list[list[Outcome]]:
        """See `Store`."""
        # A commit cannot be called back: even where the caller goes away, the head must follow what was committed.
        return await asyncio.shield(asyncio.ensure_future(self._commit(submissions)))

    async def _commit(self, submissions: Sequence[Submission]) -> list[list[Outcome]]:
        loop = asyncio.get_running_loop()
        outcomes, head = await loop.run_in_executor(self._write_thread, self._write, submissions)
        if head.position > self._head.position:
            self._head = head
            advanced, self._advanced = self._advanced, asyncio.Event()
            advanced.set()
        return outcomes

    def _write(self, submissions: Sequence[Submission]) -> tuple[list[list[Outcome]], Head]:
        """One transaction, in the writing thread."""
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                outcomes, head = self._write_rows(submissions)
                self._writer.execute("COMMIT")
            except BaseException:
                with suppress(sqlite.Error):
                    self._writer.execute("ROLLBACK")
                raise
        except sqlite.OperationalError as error:
            raise _unavailable("written", error) from error
        return outcomes, head

    def _write_rows(self, submissions: Sequence[Submission]) -> tuple[list[list[Outcome]], Head]:
        head = read_head(self._writer)
        candidates = [candidate for submission in submissions for candidate in submission.candidates]
        statuses, identities = self._load_statuses(candidates)
        known = self._load_keys(candidates, statuses)
        commit_time = max(self._clock(), head.commit_time)
        decision = decide(submissions, statuses, known, head.position, commit_time)
        payload_ids = self._write_payloads(submissions, decision)
        for submission in submissions:
            if submission.payload is not None and submission.problems:
                self._write_quarantine(submission.payload, submission.problems)
        if decision.appended:
            self._write_decision(decision, identities, payload_ids)
            last = decision.appended[-1].entry
            head = msgspec.structs.replace(
                head, position=last.position, commit_time=commit_time, fingerprint=last.fingerprint
            )
            self._writer.execute(SQL["write_head"], (head.position, head.commit_time, head.fingerprint))
        return decision.outcomes, head

    def _load_statuses(
        self, candidates: Sequence[Candidate]
    ) -> tuple[dict[Identity, StoredStatus], dict[int, Identity]]:
        """Every recipient of the candidates, new ones numbered; and the identity behind each number."""
        events = {candidate.identity: candidate.event for candidate in candidates}
        rows = _statuses.decode(self._json("load_statuses", list(events)))
        statuses = {Identity(message, recipient): stored for message, recipient, stored in rows}
        next_id: int = self._writer.execute(SQL["next_status_id"]).fetchone()[0]
        for identity, event in events.items():
            if identity not in statuses:
                status = RecipientStatus(event.provider, event.message_id, event.recipient)
                statuses[identity] = StoredStatus(next_id, status)
                next_id += 1
        return statuses, {stored.id: identity for identity, stored in statuses.items()}

    def _load_keys(
        self, candidates: Sequence[Candidate], statuses: Mapping[Identity, StoredStatus]
    ) -> dict[tuple[int, str], int]:
        """The positions of those candidates that are already in the log; new recipients have none."""
        wanted = [
            (stored.id, candidate.key)
            for candidate in candidates
            if (stored := statuses[candidate.identity]).status.version
        ]
        rows = _known_keys.decode(self._json("load_keys", wanted)) if wanted else []
        return {(status_id, key): position for status_id, key, position in rows}

    def _write_payloads(self, submissions: Sequence[Submission], decision: Decision) -> dict[int, int]:
        """Keep the bodies that brought a new event; the payload's id by the submission's index."""
        ids: dict[int, int] = {}
        for index in {appended.submission: None for appended in decision.appended}:
            payload = submissions[index].payload
            if payload is not None:
                body = zlib.compress(payload.body, _COMPRESSION)
                row = (payload.provider, payload.account, payload.received_time, body)
                ids[index] = self._writer.execute(SQL["write_payload"], row).fetchone()[0]
        return ids

    def _write_quarantine(self, payload: Payload, problems: Sequence[Problem]) -> None:
        digest = blake2b(
            b"\0".join((payload.provider.encode(), payload.account.encode(), payload.body)), digest_size=16
        ).digest()
        body = zlib.compress(payload.body, _COMPRESSION)
        row = (
            digest,
            payload.provider,
            payload.account,
            payload.received_time,
            _encode(problems).decode(),
            body,
        )
        self._writer.execute(SQL["write_quarantine"], row)

    def _write_decision(
        self, decision: Decision, identities: Mapping[int, Identity], payload_ids: Mapping[int, int]
    ) -> None:
        rows = [status_row(stored, identities[stored.id]) for stored in decision.changed]
        write_rows(self._writer, SQL["write_statuses"], rows)
        rows = [event_row(appended, payload_ids.get(appended.submission)) for appended in decision.appended]
        write_rows(self._writer, SQL["write_events"], rows)
        rows = [(alias_hash(alias), status_id) for status_id, alias in decision.aliases]
        write_rows(self._writer, SQL["write_aliases"], rows)

    def _json(self, name: str, rows: object) -> str:
        found: str | None = self._writer.execute(SQL[name], (_encode(rows).decode(),)).fetchone()[0]
        return found or "[]"

    async def read_recipients(
        self, message_id: str, provider: str, recipient: str, limit: int
    ) -> list[RecipientStatus]:
        """See `Store`."""
        values = (message_hash(message_id), message_id, provider, recipient, limit)
        found = self._stored("read_recipients", values)
        if len(found) == limit:
            found = self._stored("read_first_recipients", values)
        elif len(found) > 1:
            found.sort(key=lambda stored: stored.id)
        return [stored.status for stored in found]

    async def find_messages(self, message_id: str, provider: str, limit: int) -> list[MessageKey]:
        """See `Store`."""
        return _messages.decode(self._read("find_messages", (message_hash(message_id), message_id, provider, limit)))

    async def find_by_alias(self, alias: str, provider: str, limit: int) -> list[MessageKey]:
        """See `Store`."""
        return _messages.decode(self._read("find_by_alias", (alias_hash(alias), alias, provider, limit)))

    async def count_recipients(self, message: MessageKey) -> dict[Evidence, int]:
        """See `Store`."""
        values = (message_hash(message.message_id), message.provider, message.message_id)
        return dict(_counts.decode(self._read("count_recipients", values)))

    async def read_log(self, after: int, limit: int) -> list[LogEntry]:
        """See `Store`."""
        return await self._page(lambda: _entries.decode(fetch_json(self._pager, "read_log", (after, limit))))

    async def last_position_before(self, commit_time: int) -> int:
        """See `Store`."""
        return await self._page(lambda: self._last_position_before(commit_time))

    def _last_position_before(self, commit_time: int) -> int:
        """Bisects the log, since commit times never fall along it."""
        head = read_head(self._pager)
        low, high = head.floor, head.position
        while low < high:
            middle = (low + high + 1) // 2
            (at_middle,) = self._pager.execute(SQL["commit_time_at"], (middle,)).fetchone()
            if at_middle < commit_time:
                low = middle
            else:
                high = middle - 1
        return low

    async def read_payload(self, position: int) -> Payload | None:
        """See `Store`."""
        row = await self._page(lambda: self._pager.execute(SQL["read_payload"], (position,)).fetchone())
        return None if row is None else _payload(*row)

    async def read_quarantine(self, after: int, limit: int) -> list[Quarantined]:
        """See `Store`."""
        rows = await self._page(lambda: self._pager.execute(SQL["read_quarantine"], (after, limit)).fetchall())
        return [
            Quarantined(quarantine_id, _payload(provider, account, received_time, body), _problems.decode(problems))
            for quarantine_id, provider, account, received_time, problems, body in rows
        ]

    def _stored(self, name: str, values: tuple[object, ...]) -> list[StoredStatus]:
        try:
            rows = self._reader.execute(SQL[name], values).fetchall()
        except sqlite.OperationalError as error:
            raise _unavailable("read", error) from error
        return [_stored.decode(stored) for (stored,) in rows]

    def _read(self, name: str, values: tuple[object, ...]) -> str:
        """A look-up that touches few pages, on the event loop: a hop to a thread costs several times the query."""
        try:
            return fetch_json(self._reader, name, values)
        except sqlite.OperationalError as error:
            raise _unavailable("read", error) from error

    async def _page(self, read: Callable[[], _T]) -> _T:
        """A longer read, in the reading thread."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._page_thread, read)
        except sqlite.OperationalError as error:
            raise _unavailable("read", error) from error

    async def close(self) -> None:
        """See `Store`."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._write_thread.shutdown()
        self._page_thread.shutdown()
        for connection in (self._reader, self._pager, self._writer):
            connection.close()
        self._lock.release()


def _unavailable(done: str, error: sqlite.OperationalError) -> StoreUnavailable:
    """What callers are told; what the driver says is for the log alone."""
    _log.error(f"the database cannot be {done}", error=str(error))
    return StoreUnavailable(f"the database cannot be {done} now; try the same again later")


def read_head(connection: sqlite.Connection) -> Head:
    """Where the log stands in what this connection sees."""
    row = connection.execute(SQL["read_head"]).fetchone()
    if row is None:
        raise sqlite.DatabaseError("the head is gone")
    return Head(*row)


def fetch_json(connection: sqlite.Connection, name: str, values: tuple[object, ...]) -> str:
    """The JSON array that a statement gives; an empty one where it found no row."""
    found: str | None = connection.execute(SQL[name], values).fetchone()[0]
    return found or "[]"


def _payload(provider: str, account: str, received_time: int, body: bytes) -> Payload:
    return Payload(provider, account, received_time, zlib.decompress(body))
