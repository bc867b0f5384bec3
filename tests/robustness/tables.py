"""A store's tables, read with plain SQL: nothing here shares code with the store that wrote them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeAlias

import asyncpg

from tests.builders import FACTS
from tests.postgres.databases import wait_for

if TYPE_CHECKING:
    import sqlite3 as sqlite
else:
    import pysqlite3.dbapi2 as sqlite

Record: TypeAlias = Sequence[Any]

_SECONDS: Final = 30.0
"""How long a look may take."""
_HEAD: Final = "SELECT log_id, position, floor FROM head"
_STATUSES: Final = (
    f"SELECT {', '.join(('provider', 'message_id', 'recipient', *FACTS))} FROM recipient_status ORDER BY id"  # noqa: S608
)


class Away(Exception):
    """The store cannot be read now, since its database does not run."""


class Glance(NamedTuple):
    """What the tables said at one moment: the head, the events after a position, and how much is kept above the floor.

    `kept` counts those events, and `end` is the position of the last of them.
    """

    log_id: bytes
    position: int
    floor: int
    new: Sequence[Record]
    kept: int
    end: int


class Tables(Protocol):
    """What there is to be read; everything raises `Away`."""

    def look(self, after: int) -> Glance:
        """What the tables say now, with the events after a position."""
        ...

    def events(self) -> Sequence[Record]:
        """Every event that is kept, in order."""
        ...

    def statuses(self) -> Sequence[Record]:
        """Every recipient's names and facts."""
        ...


class SqliteTables:
    """Those of a file, whether a server runs on it or was killed."""

    def __init__(self, file: Path) -> None:
        """Name a file that need not be there yet."""
        self._file = file

    def look(self, after: int) -> Glance:
        """See `Tables`."""
        with closing(connect(self._file)) as connection:
            connection.execute("BEGIN")
            log_id, position, floor = connection.execute(_HEAD).fetchone()
            new = connection.execute(_events("lower(hex(e.event_key))", "?"), (after,)).fetchall()
            kept, end = connection.execute(_kept("?1"), (floor,)).fetchone()
        return Glance(log_id, position, floor, new, kept, end)

    def events(self) -> Sequence[Record]:
        """See `Tables`."""
        return self._all(_events("lower(hex(e.event_key))", "?"), 0)

    def statuses(self) -> Sequence[Record]:
        """See `Tables`."""
        return self._all(_STATUSES)

    def _all(self, statement: str, *values: object) -> Sequence[Record]:
        with closing(connect(self._file)) as connection:
            found: Sequence[Record] = connection.execute(statement, values).fetchall()
        return found


class PostgresTables:
    """Those of a database, whichever servers run on it."""

    def __init__(self, url: Callable[[], str]) -> None:
        """Say where the database is now; the connection is made when it is needed, and anew where it broke."""
        self._url = url
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None

    def look(self, after: int) -> Glance:
        """See `Tables`."""
        with _away():
            return wait_for(self._look(after))

    def events(self) -> Sequence[Record]:
        """See `Tables`."""
        with _away():
            return wait_for(self._fetch(_events("encode(e.event_key, 'hex')", "$1"), 0))

    def statuses(self) -> Sequence[Record]:
        """See `Tables`."""
        with _away():
            return wait_for(self._fetch(_STATUSES))

    def close(self) -> None:
        """Keep no connection."""
        if self._connection is not None:
            wait_for(self._terminate(self._connection))

    async def _look(self, after: int) -> Glance:
        connection = await self._connected()
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            head = await connection.fetchrow(_HEAD)
            assert head is not None
            new = await connection.fetch(_events("encode(e.event_key, 'hex')", "$1"), after)
            kept = await connection.fetchrow(_kept("$1"), head["floor"])
        assert kept is not None
        return Glance(head["log_id"], head["position"], head["floor"], [tuple(row) for row in new], kept[0], kept[1])

    async def _fetch(self, statement: str, *values: object) -> Sequence[Record]:
        return [tuple(row) for row in await (await self._connected()).fetch(statement, *values)]

    async def _connected(self) -> "asyncpg.Connection[asyncpg.Record]":
        if self._connection is None or self._connection.is_closed():
            settings = {"search_path": "msgstate"}
            self._connection = await asyncpg.connect(
                self._url(), timeout=_SECONDS, command_timeout=_SECONDS, server_settings=settings
            )
        return self._connection

    async def _terminate(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        connection.terminate()


def connect(file: Path) -> sqlite.Connection:
    """The file, to be read alone, whether a server runs on it or was killed."""
    return sqlite.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=_SECONDS)


@contextmanager
def _away() -> Iterator[None]:
    try:
        yield
    except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise Away(str(error)) from error


def _events(key: str, after: str) -> str:
    """The events after a position; the key as text."""
    return f"""
        SELECT e.position, s.provider, s.message_id, s.recipient, e.type, e.occurred_time, e.received_time,
            e.attributes, {key}, e.from_evidence, e.to_evidence, e.version, e.commit_time
        FROM event AS e JOIN recipient_status AS s ON s.id = e.status_id
        WHERE e.position > {after} ORDER BY e.position
    """  # noqa: S608


def _kept(floor: str) -> str:
    return f"SELECT count(*), coalesce(max(position), {floor}) FROM event WHERE position > {floor}"  # noqa: S608
