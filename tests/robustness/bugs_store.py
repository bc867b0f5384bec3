"""Bugs of what writes the log: the store, retention and group commit."""

from typing import Final

from tests.robustness.bugs import CRASH, FAIL, KILL, RETENTION, TERM, Bug, Edit

_WRITER: Final = "store/sqlite/writer.py"
_ENGINE: Final = "store/sqlite/engine.py"
_COMPACTION: Final = "store/sqlite/compaction.py"
_QUERIES: Final = "store/sqlite/queries.sql"
_GROUP_COMMIT: Final = "ingest/group_commit.py"
_STREAM: Final = "rpc/event_stream.py"

ACKNOWLEDGE_BEFORE_COMMIT: Final = Bug(
    "a write is acknowledged before its commit, which the next one makes",
    "acknowledged_events_are_in_the_log",
    CRASH,
    [
        Edit(
            _WRITER,
            """            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
""",
            """            if not self._connection.in_transaction:
                self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
""",
        ),
        Edit(
            _WRITER,
            """        failpoint("write.before_begin")
""",
            """        failpoint("write.before_begin")
        if self._connection.in_transaction:
            self._connection.execute("COMMIT")
""",
        ),
    ],
)
STREAM_BEFORE_COMMIT: Final = Bug(
    "a stream acknowledges what is queued",
    "acknowledged_events_are_in_the_log",
    CRASH,
    [
        Edit(
            _STREAM,
            """            self._queued.put_nowait(_Queued(request.batch_id, refused, committed))
""",
            """            if committed is not None:
                committed = asyncio.get_running_loop().create_future()
                committed.set_result([Outcome(Disposition.ACCEPTED, 0)] * len(candidates))
            self._queued.put_nowait(_Queued(request.batch_id, refused, committed))
""",
        )
    ],
)
FAILURE_ACKNOWLEDGED: Final = Bug(
    "a commit that failed is answered as if all were known",
    "acknowledged_events_are_in_the_log",
    FAIL,
    [
        Edit(
            _GROUP_COMMIT,
            """        except Unavailable as error:
            _fail(group, error)
""",
            """        except Unavailable:
            known = Outcome(Disposition.DUPLICATE, self._store.head.position)
            for waiting in group:
                waiting.committed.set_result([known] * len(waiting.submission.candidates))
""",
        ),
        Edit(_GROUP_COMMIT, "import Outcome, Submission", "import Disposition, Outcome, Submission"),
    ],
)
QUEUE_THROWN_AWAY: Final = Bug(
    "what is queued when the service stops is thrown away, and answered",
    "acknowledged_events_are_in_the_log",
    TERM,
    [
        Edit(_GROUP_COMMIT, "while not self._draining.is_set() or self._queue:", "while not self._draining.is_set():"),
        Edit(
            _GROUP_COMMIT,
            """                while self._queue:
                    await""",
            """                while self._queue and not self._draining.is_set():
                    await""",
        ),
        Edit(
            _GROUP_COMMIT,
            """            _fail(list(self._queue), Draining(_CLOSED))
""",
            """            known = Outcome(Disposition.DUPLICATE, self._store.head.position)
            for waiting in self._queue:
                waiting.committed.set_result([known] * len(waiting.submission.candidates))
""",
        ),
        Edit(_GROUP_COMMIT, "import Outcome, Submission", "import Disposition, Outcome, Submission"),
    ],
)
POSITION_OUTSIDE: Final = Bug(
    "positions come from a counter outside the transaction",
    "positions_are_dense",
    FAIL,
    [
        Edit(
            _WRITER,
            """        decision = decide(submissions, statuses, known, head.position, commit_time)
""",
            """        self._taken = max(head.position, getattr(self, "_taken", 0))
        decision = decide(submissions, statuses, known, self._taken, commit_time)
        self._taken += len(decision.appended)
""",
        )
    ],
)
MEMORY_AFTER_ROLLBACK: Final = Bug(
    "statuses in memory keep what was rolled back",
    "versions_are_dense",
    FAIL,
    [Edit(_WRITER, "                self._recent.clear()\n", "")],
)
HEAD_BEFORE_COMMIT: Final = Bug(
    "the head is shown before the commit",
    "tokens_name_their_row",
    CRASH,
    [
        Edit(
            _WRITER,
            """        return decision, head, statuses
""",
            """        self.shown = head
        return decision, head, statuses
""",
        ),
        Edit(
            _ENGINE,
            '''        """See `Store`."""
        return self._head
''',
            """        return getattr(self._writer, "shown", self._head)
""",
        ),
    ],
)
RECEIPT_IN_KEY: Final = Bug(
    "an event's key has its receipt time in it",
    "each_event_is_in_the_log_once",
    RETENTION,
    [
        Edit(
            "domain/identity.py",
            """            event.occurred_time,
            _as_reported(attributes),
""",
            """            event.occurred_time,
            event.received_time,
            _as_reported(attributes),
""",
        )
    ],
)
STALE_SNAPSHOT: Final = Bug(
    "statuses are read in a transaction that never ends",
    "reads_see_what_was_acknowledged",
    RETENTION,
    [
        Edit(
            _ENGINE,
            """        self._writer = Writer(""",
            """        self._reader.execute("BEGIN")
        self._writer = Writer(""",
        )
    ],
)
NO_FLOOR: Final = Bug(
    "retention does not move the floor",
    "positions_are_dense",
    RETENTION,
    [
        Edit(
            _COMPACTION,
            """        connection.execute(SQL["write_floor"], (last.position, last.fingerprint, last.commit_time))
""",
            """        pass
""",
        )
    ],
)
FLOOR_BY_ITSELF: Final = Bug(
    "the floor moves in a transaction of its own, after the deletion",
    "positions_are_dense",
    KILL,
    [
        Edit(
            _COMPACTION,
            """    failpoint("compact.after_statuses")
""",
            """    connection.execute("COMMIT")
    failpoint("compact.after_statuses")
    connection.execute("BEGIN IMMEDIATE")
""",
        )
    ],
)
ROWS_LEFT: Final = Bug(
    "retention leaves some rows of a recipient",
    "retention_removes_all_or_none",
    RETENTION,
    [
        Edit(
            _QUERIES,
            "DELETE FROM event WHERE status_id IN (SELECT value FROM json_each(?));",
            "DELETE FROM event WHERE status_id IN (SELECT value FROM json_each(?)) AND position % 3;",
        )
    ],
)
TOO_EARLY: Final = Bug(
    "retention takes the events of recipients that are not silent",
    "each_event_is_in_the_log_once",
    RETENTION,
    [Edit(_QUERIES, "    WHERE s.update_time < ?3\n", "    WHERE s.update_time < ?3 + 1900000\n")],
)

STORE_BUGS: Final = (
    ACKNOWLEDGE_BEFORE_COMMIT,
    STREAM_BEFORE_COMMIT,
    FAILURE_ACKNOWLEDGED,
    QUEUE_THROWN_AWAY,
    POSITION_OUTSIDE,
    MEMORY_AFTER_ROLLBACK,
    HEAD_BEFORE_COMMIT,
    RECEIPT_IN_KEY,
    STALE_SNAPSHOT,
    NO_FLOOR,
    FLOOR_BY_ITSELF,
    ROWS_LEFT,
    TOO_EARLY,
)
