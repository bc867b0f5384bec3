"""Bugs of servers that share a PostgreSQL: each of them harms what is right where one server runs alone."""

from typing import Final

from tests.robustness.bugs import SHARED, SHARED_FAIL, SHARED_FAILOVER, SHARED_FREEZE, SHARED_RETENTION, Bug, Edit

_WRITER: Final = "store/postgres/writer.py"
_IMPORTS: Final = "from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence\n"
_ENGINE: Final = "store/postgres/engine.py"
_LOG_POSITIONS: Final = "store/postgres/log_positions.py"
_QUERIES: Final = "store/postgres/queries.sql"
_START: Final = "watch/start.py"
_STORE_IMPORT: Final = "from msgstate_server.store.protocol import Store\n"
_TAKE: Final = """    UPDATE head SET position = position + $1, commit_time = greatest(commit_time, $2)
    RETURNING position - $1 AS base, commit_time
"""
_APPEND: Final = """        row = await connection.fetchrow(
            SQL["append"],
"""
_TAKE_AWAY: Final = """        async with self._connections.acquired() as other:
            base = await other.fetchval(
                "UPDATE head SET position = position + $1 RETURNING position - $1", len(decision.appended)
            )
"""

SHARED_BUGS: Final = (
    Bug(
        "positions come from a sequence, as those of a serial column do",
        "positions_are_dense",
        SHARED_FAIL,
        [
            Edit(
                "store/postgres/schema/0003_pre_initial.sql",
                "CREATE TABLE head (",
                "CREATE SEQUENCE position_seq;\n\nCREATE TABLE head (",
            ),
            Edit(
                _QUERIES,
                _TAKE,
                """    UPDATE head SET
        position = greatest(position, $34::bigint + $1), commit_time = greatest(commit_time, $2)
    RETURNING $34::bigint AS base, commit_time
""",
            ),
            Edit(
                _WRITER,
                _APPEND,
                """        await connection.execute("SELECT pg_advisory_lock(1)")
        base = await connection.fetchval(
            "SELECT setval('position_seq', nextval('position_seq') + $1 - 1) - $1", len(decision.appended)
        )
        await connection.execute("SELECT pg_advisory_unlock(1)")
"""
                + _APPEND,
            ),
            Edit(
                _WRITER,
                """            *zip(*statuses, strict=True),
        )
""",
                """            *zip(*statuses, strict=True),
            base,
        )
""",
            ),
        ],
    ),
    Bug(
        "positions are taken from the head in a transaction of their own",
        "positions_are_dense",
        SHARED_FAIL,
        [
            Edit(_QUERIES, _TAKE, "    SELECT $34::bigint AS base, $2::bigint AS commit_time, $1::bigint AS count\n"),
            Edit(
                _WRITER,
                _APPEND,
                _TAKE_AWAY + _APPEND,
            ),
            Edit(
                _WRITER,
                """            *zip(*statuses, strict=True),
        )
""",
                """            *zip(*statuses, strict=True),
            base,
        )
""",
            ),
        ],
    ),
    Bug(
        "keys are read by the statement that locks their recipients",
        "the_database_finds_no_fault",
        SHARED,
        [
            Edit(
                _WRITER,
                """        rows = await connection.fetch(SQL["lock_statuses"], *hashes)
""",
                """        # What a statement reads beside what it locks is as it was before it waited for them.
        before = await connection.fetch(SQL["lock_statuses"].replace("FOR NO KEY UPDATE OF s", ""), *hashes)
        ids = {stored.identity: stored.id for stored in map(status_from_row, before)}
        some = [(ids[each.identity], bytes.fromhex(each.key)) for each in candidates if each.identity in ids]
        known = await connection.fetch(SQL["load_keys"], *zip(*some, strict=True)) if some else ()
        await asyncio.sleep(0.02)
        rows = await connection.fetch(SQL["lock_statuses"], *hashes)
""",
            ),
            Edit(
                _WRITER,
                'await connection.fetch(SQL["load_keys"], *zip(*keys, strict=True)) if keys else ()',
                "known",
            ),
            Edit(_WRITER, _IMPORTS, "import asyncio\n" + _IMPORTS),
        ],
    ),
    Bug(
        "the floor is read before the rows, in a statement of its own",
        "watches_miss_nothing",
        SHARED_RETENTION,
        [
            Edit(
                _LOG_POSITIONS,
                """    rows = await connection.fetch(SQL["read_log"], after, limit + 1)
    position, floor, floor_fingerprint = rows[0][:3]
""",
                """    head = await read_head(connection)
    position, floor, floor_fingerprint = head.position, head.floor, head.floor_fingerprint
    await asyncio.sleep(0.1)
    rows = await connection.fetch(SQL["read_log"], after, limit + 1)
""",
            ),
            Edit(
                _LOG_POSITIONS,
                "    if [entry.position for entry in entries] != list(range(after + 1, end + 1)):\n",
                "    if [entry.position for entry in entries] != sorted(entry.position for entry in entries):\n",
            ),
            Edit(
                _LOG_POSITIONS,
                "from msgstate_server.domain.errors",
                "import asyncio\n\nfrom msgstate_server.domain.errors",
            ),
        ],
    ),
    Bug(
        "what a server writes is shown before its commit",
        "servers_log_no_fault",
        SHARED_FAIL,
        [
            Edit(
                _WRITER,
                """            failpoint("write.after_head")
""",
                """            shown = _written(decision, base - start, commit_time).last
            if shown is not None:
                self.show(shown)
                await asyncio.sleep(0.1)
            failpoint("write.after_head")
""",
            ),
            Edit(_WRITER, _IMPORTS, "import asyncio\n" + _IMPORTS),
            Edit(
                _ENGINE,
                """        self._writer = Writer(self._write, hashes, clock)
""",
                """        self._writer = Writer(self._write, hashes, clock)
        self._writer.show = lambda last: self._show(
            msgspec.structs.replace(self._head, **last._asdict()), self._head, self._lost
        )
""",
            ),
        ],
    ),
    Bug(
        "a server that waits for the head looks at its own commits alone",
        "watchers_converge",
        SHARED,
        [
            Edit(
                _ENGINE,
                """                await self.read_head()
            except Exception""",
                """                await self._end.run(log_positions.read_head)
            except Exception""",
            ),
            # Retention and watches that start read the head too, and would hide the bug.
            Edit(_ENGINE, "        if step.deleted:\n            await self.read_head()\n", ""),
            Edit(
                _START,
                "    head = await store.read_head()\n",
                "    head = await store._end.run(log_positions.read_head)\n",
            ),
            Edit(_START, _STORE_IMPORT, "from msgstate_server.store.postgres import log_positions\n" + _STORE_IMPORT),
        ],
    ),
    Bug(
        "a commit that was not answered counts as made",
        "acknowledged_events_are_in_the_log",
        SHARED_FREEZE,
        [
            Edit(
                _WRITER,
                """        await transaction.commit()
        failpoint""",
                """        with suppress(Exception):
            await transaction.commit()
        failpoint""",
            ),
            Edit(_WRITER, _IMPORTS, _IMPORTS + "from contextlib import suppress\n"),
        ],
    ),
    Bug(
        "a commit time is what the server's own clock said",
        "commit_times_never_fall",
        SHARED_FREEZE,
        [Edit(_QUERIES, "commit_time = greatest(commit_time, $2)\n", "commit_time = $2\n")],
    ),
    Bug(
        "who stands still within a transaction keeps its locks",
        "the_others_go_on",
        SHARED_FREEZE,
        [
            Edit(
                "store/postgres/sessions.py",
                """    "idle_in_transaction_session_timeout": f"{IDLE_SECONDS}s",
""",
                """    "idle_in_transaction_session_timeout": "0",
""",
            )
        ],
    ),
    Bug(
        "the head is locked before the recipients",
        "the_database_finds_no_fault",
        SHARED_RETENTION,
        [
            Edit(
                _WRITER,
                """            loaded = await self._load(connection, candidates)
""",
                """            await connection.execute("SELECT FROM head FOR UPDATE")
            await asyncio.sleep(0.05)
            loaded = await self._load(connection, candidates)
""",
            ),
            Edit(_WRITER, _IMPORTS, "import asyncio\n" + _IMPORTS),
        ],
    ),
    Bug(
        "a commit does not wait for the standby",
        "log_keeps_its_end",
        SHARED_FAILOVER,
        [
            Edit(
                "store/postgres/connection.py",
                """        "SELECT set_config('synchronous_commit', 'on', false)"
        " WHERE current_setting('synchronous_commit') IN ('off', 'local')"
""",
                """        "SELECT set_config('synchronous_commit', 'local', false)"
""",
            )
        ],
    ),
)
