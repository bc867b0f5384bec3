"""The one writer of a file: decides on a batch within the transaction that commits it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

import msgspec

from msgstate_server.domain.decision import (
    Candidate,
    Decision,
    StoredStatus,
    Submission,
    decide,
)
from msgstate_server.domain.identity import Identity
from msgstate_server.domain.log import Head
from msgstate_server.domain.status import RecipientStatus
from msgstate_server.failpoints import failpoint
from msgstate_server.store.bounded_cache import evict_oldest
from msgstate_server.store.hashing import Hashes
from msgstate_server.store.protocol import Step
from msgstate_server.store.rows import compressed, event_row, quarantine_row, status_row
from msgstate_server.store.sqlite.bulk import write_rows
from msgstate_server.store.sqlite.compaction import compact, discard_payloads, forget
from msgstate_server.store.sqlite.file_space import release_pages
from msgstate_server.store.sqlite.queries import SQL, fetch_json, is_io_error, read_head, unavailable

if TYPE_CHECKING:
    import sqlite3 as sqlite
else:
    import pysqlite3.dbapi2 as sqlite

RECENT_STATUSES: Final = 16_384
"""Statuses kept in memory, about 1 KiB each: a recipient's events come close together, and nobody else writes."""
_RECENT_ALIASES: Final = 4
"""Aliases that such a status may have; the few with more are read again each time."""

_statuses: Final = msgspec.json.Decoder(list[StoredStatus])
_known_keys: Final = msgspec.json.Decoder(list[tuple[int, str, int]])
_encoder: Final = msgspec.json.Encoder()


def _text(value: object) -> str:
    return _encoder.encode(value).decode()


@contextmanager
def _unavailable_on_io_error() -> Iterator[None]:
    """Turns an error of the disk into `StoreUnavailable`."""
    try:
        yield
    except sqlite.DatabaseError as error:
        if not is_io_error(error):
            raise
        raise unavailable("written", error) from error


class Writer:
    """Owns the connection that writes; to be used by one thread at a time. `clock` gives commit times."""

    def __init__(self, connection: sqlite.Connection, hashes: Hashes, clock: Callable[[], int]) -> None:
        """Start with nothing in memory."""
        self._connection = connection
        self._hashes = hashes
        self._clock = clock
        self._recent: dict[Identity, StoredStatus] = {}

    def write(self, submissions: Sequence[Submission]) -> tuple[Decision, Head]:
        """Commit what is new, in one transaction; gives what was decided and the head after it."""
        failpoint("write.before_begin")
        with self._transaction():
            failpoint("write.after_begin")
            decision, head, statuses = self._write_rows(submissions)
            failpoint("write.after_head")
        failpoint("write.after_commit")
        self._remember(statuses)
        return decision, head

    def compact(self, silent_since: int, after: int, limit: int) -> tuple[Step, Head]:
        """See `Store`; and the head after it."""
        failpoint("compact.before_begin")
        with self._transaction():
            failpoint("compact.after_begin")
            compact_time = max(self._clock(), read_head(self._connection).commit_time)
            step, gone = compact(self._connection, compact_time, silent_since, after, limit)
            head = read_head(self._connection)
        failpoint("compact.after_commit")
        self._drop(gone)
        return step, head

    def forget(self, silent_since: int, after: int, limit: int) -> Step:
        """See `Store`."""
        failpoint("forget.before_begin")
        with self._transaction():
            failpoint("forget.after_begin")
            step, gone = forget(self._connection, self._hashes, silent_since, after, limit)
        failpoint("forget.after_commit")
        self._drop(gone)
        return step

    def discard_payloads(self, received_before: int, after: int, limit: int) -> Step:
        """See `Store`."""
        failpoint("discard.before_begin")
        with self._transaction():
            failpoint("discard.after_begin")
            step = discard_payloads(self._connection, received_before, after, limit)
        failpoint("discard.after_commit")
        return step

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Commits what is done within, or rolls it back if it raises."""
        with _unavailable_on_io_error():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                # They were changed in place, by events that are not in the log.
                self._recent.clear()
                with suppress(sqlite.Error):
                    self._connection.execute("ROLLBACK")
                raise

    def discard_quarantined(self, ids: Sequence[int]) -> int:
        """Delete these in one transaction; gives how many there were."""
        with _unavailable_on_io_error():
            return int(self._connection.execute(SQL["discard_quarantined"], (_text(ids),)).rowcount)

    def release_pages(self, limit: int) -> int:
        """See `Store`."""
        with _unavailable_on_io_error():
            return release_pages(self._connection, limit)

    def _write_rows(self, submissions: Sequence[Submission]) -> tuple[Decision, Head, dict[Identity, StoredStatus]]:
        head = read_head(self._connection)
        candidates = [candidate for submission in submissions for candidate in submission.candidates]
        statuses = self._load_statuses(candidates)
        known = self._load_keys(candidates, statuses)
        failpoint("write.after_load")
        commit_time = max(self._clock(), head.commit_time)
        decision = decide(submissions, statuses, known, head.position, commit_time)
        payload_ids = self._write_payloads(submissions, decision)
        for submission in submissions:
            if submission.quarantined:
                row = (_text(submission.problems), submission.quarantined)
                self._connection.execute(SQL["write_problems"], row)
            elif submission.payload is not None and submission.problems:
                kept = quarantine_row(submission.payload, submission.problems)
                self._connection.execute(SQL["write_quarantine"], kept)
        failpoint("write.after_bodies")
        if decision.appended:
            self._write_decision(decision, payload_ids)
            last = decision.appended[-1].entry
            head = msgspec.structs.replace(
                head, position=last.position, commit_time=commit_time, fingerprint=last.fingerprint
            )
            self._connection.execute(SQL["write_head"], (head.position, head.commit_time, head.fingerprint))
        return decision, head, statuses

    def _load_statuses(self, candidates: Sequence[Candidate]) -> dict[Identity, StoredStatus]:
        """Every recipient of the candidates, new ones numbered."""
        statuses: dict[Identity, StoredStatus] = {}
        others: dict[Identity, None] = {}
        for candidate in candidates:
            recent = self._recent.get(candidate.identity)
            if recent is None:
                others[candidate.identity] = None
            else:
                statuses[candidate.identity] = recent
        if others:
            statuses |= self._find_statuses(others)
        return statuses

    def _find_statuses(self, wanted: Iterable[Identity]) -> dict[Identity, StoredStatus]:
        """These recipients, from the database or as new ones."""
        hashes = _text([self._hashes.identity(identity) for identity in wanted])
        rows = _statuses.decode(fetch_json(self._connection, "load_statuses", (hashes,)))
        statuses = {stored.identity: stored for stored in rows}
        next_id: int = self._connection.execute(SQL["next_status_id"]).fetchone()[0]
        for identity in wanted:
            if identity not in statuses:
                statuses[identity] = StoredStatus(next_id, RecipientStatus(*identity))
                next_id += 1
        return statuses

    def _remember(self, statuses: Mapping[Identity, StoredStatus]) -> None:
        """Keep what was committed in place of what was kept the longest."""
        for identity, stored in statuses.items():
            if len(stored.status.aliases) <= _RECENT_ALIASES:
                self._recent[identity] = stored
            else:
                self._recent.pop(identity, None)
        evict_oldest(self._recent, RECENT_STATUSES)

    def _drop(self, identities: Iterable[Identity]) -> None:
        """Have them read again: in the file they are not what they were."""
        for identity in identities:
            self._recent.pop(identity, None)

    def _load_keys(
        self, candidates: Sequence[Candidate], statuses: Mapping[Identity, StoredStatus]
    ) -> dict[tuple[int, str], int]:
        """The positions of those candidates that are already in the log; new recipients have none."""
        wanted = [
            (stored.id, candidate.key)
            for candidate in candidates
            if (stored := statuses[candidate.identity]).status.version
        ]
        rows = _known_keys.decode(fetch_json(self._connection, "load_keys", (_text(wanted),))) if wanted else []
        return {(status_id, key): position for status_id, key, position in rows}

    def _write_payloads(self, submissions: Sequence[Submission], decision: Decision) -> dict[int, int]:
        """Keep the bodies that brought a new event; the payload's id by the submission's index."""
        kept = decision.payloads(submissions)
        if not kept:
            return {}
        (first,) = self._connection.execute(SQL["next_payload_id"]).fetchone()
        ids = {index: payload_id for payload_id, index in enumerate(kept, first)}
        rows = [
            (ids[index], payload.provider, payload.account, payload.received_time, compressed(payload.body))
            for index, payload in kept.items()
        ]
        write_rows(self._connection, SQL["write_payloads"], rows)
        return ids

    def _write_decision(self, decision: Decision, payload_ids: Mapping[int, int]) -> None:
        rows = [status_row(stored, identity, self._hashes) for identity, stored in decision.changed.items()]
        write_rows(self._connection, SQL["write_statuses"], rows)
        failpoint("write.after_statuses")
        rows = [event_row(appended, payload_ids.get(appended.submission)) for appended in decision.appended]
        write_rows(self._connection, SQL["write_events"], rows)
        failpoint("write.after_events")
        rows = [(self._hashes.alias(alias), status_id) for status_id, alias in decision.aliases]
        rows += [(self._hashes.ref(ref), status_id) for status_id, ref in decision.refs]
        write_rows(self._connection, SQL["write_aliases"], rows)
        failpoint("write.after_aliases")
