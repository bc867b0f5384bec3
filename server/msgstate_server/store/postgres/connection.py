"""Connections to one PostgreSQL: how they are set, who waits for one, and what their errors mean."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Final, TypeAlias, TypeVar

import asyncpg
import structlog

from msgstate_server.domain.errors import StoreUnavailable, StoreUnusable
from msgstate_server.store.postgres.connection_queue import ConnectionQueue
from msgstate_server.store.postgres.hosts import CONNECT_SECONDS, Hosts
from msgstate_server.store.postgres.sessions import IDLE_SECONDS, SETTINGS

Connection: TypeAlias = Any
"""An `asyncpg.Connection`; the library brings no annotations."""

OLDEST: Final = 13
"""The oldest PostgreSQL that has all that the statements need."""
_COMMAND_SECONDS: Final = 10.0
"""A statement that takes longer has lost its server: each looks at a bounded number of rows, in milliseconds.

It is long, since a database that is slow must not become slower by being asked again. Where another one took over, who
waits is told sooner: see `Hosts.on_move`.
"""
_KEEPALIVE: Final = (
    (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
    (socket.IPPROTO_TCP, "TCP_KEEPIDLE", 5),
    (socket.IPPROTO_TCP, "TCP_KEEPINTVL", 2),
    (socket.IPPROTO_TCP, "TCP_KEEPCNT", 3),
    (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", 8_000),
)
"""A server that is gone without a word is noticed after some 10 seconds, as by itself (see `SETTINGS`)."""

_TELLING: Final = ("search_path", "lock_timeout", "idle_in_transaction_session_timeout")
"""Settings that no pooler passes on, of which not all have a server's own value in any use."""
_POOLED: Final = (
    "store: a connection pooler stands between msgstate and PostgreSQL ({}): connect to PostgreSQL itself, since each "
    "server keeps a few connections of its own and needs its settings to hold on them"
)


class StartOver(Exception):
    """A transaction found rows gone that it relied on: it has to begin again."""


_AGAIN: Final = (
    StartOver,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
    # A migration changed what a statement gives that was prepared before.
    asyncpg.InvalidCachedStatementError,
)
_AWAY: Final = (
    *_AGAIN,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.PostgresSystemError,
    asyncpg.InternalServerError,
    asyncpg.InvalidAuthorizationSpecificationError,
    # Where a backup is being restored.
    asyncpg.InvalidCatalogNameError,
    asyncpg.UndefinedTableError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)
"""What says that the database is at fault, or the way to it; not what was asked of it, which is a fault of ours."""

_T = TypeVar("_T")
_log = structlog.get_logger("msgstate.store")


def is_away(error: BaseException) -> bool:
    """Whether an error says that the database cannot be reached or refuses to work."""
    # What no column can hold is the same class as what went wrong with the connection.
    return isinstance(error, _AWAY) and not isinstance(error, ValueError)


def is_undone(error: BaseException) -> bool:
    """Whether a transaction was undone that may just be tried again."""
    # Who stood still for too long finds the connection closed, which is what is raised, and why.
    stood_still = isinstance(error.__cause__, asyncpg.exceptions.IdleInTransactionSessionTimeoutError)
    return stood_still or isinstance(error, _AGAIN)


@contextmanager
def translated(done: str) -> Iterator[None]:
    """Raise `StoreUnavailable` for what goes wrong within; what the driver says is for the log alone."""
    try:
        yield
    except asyncpg.DataError as error:
        raise ValueError(f"the database cannot hold this: {error}") from error
    except _AWAY as error:
        if not is_away(error):
            raise
        _log.error(f"the database cannot be {done}", error=str(error), kind=type(error).__name__)
        raise StoreUnavailable(f"the database cannot be {done} now; try the same again later") from error


@contextmanager
def required(message: str = "store: {}") -> Iterator[None]:
    """Raise `StoreUnusable`, with what the driver says, for what goes wrong within: who keeps the database is told."""
    try:
        yield
    except Exception as error:
        if not is_away(error):
            raise
        raise StoreUnusable(message.format(error)) from error


class Connections:
    """A few connections for one purpose, made when they are needed and anew where they broke."""

    def __init__(self, hosts: Hosts, size: int, command_seconds: float = _COMMAND_SECONDS) -> None:
        """Say where the database is; `open` makes the first connection. No statement may take longer than that."""
        self._queue = ConnectionQueue(size)
        self._hosts = hosts
        self._in_use: set[Connection] = set()
        hosts.on_move(self._leave)
        self._pool = asyncpg.create_pool(
            connect=hosts.connect,
            min_size=0,
            max_size=size,
            init=_prepare,
            reset=_leave_as_it_is,
            command_timeout=command_seconds,
            server_settings=SETTINGS,
        )

    async def open(self) -> None:
        """Prepare; raises `StoreUnusable` where the URL cannot be read."""
        await self._pool

    @asynccontextmanager
    async def acquired(self) -> AsyncIterator[Connection]:
        """One connection for what is done within; raises what the driver raises."""
        async with self._queue.acquire():
            connection = await self._connected()
            self._in_use.add(connection)
            try:
                yield connection
            except (asyncpg.ReadOnlySQLTransactionError, asyncpg.OperatorInterventionError, TimeoutError) as error:
                # It leads to a server that is no longer the one to write to, or that is gone without a word and would
                # not answer to a cancellation either: the next goes to the one that is, and so do all others.
                if isinstance(error, TimeoutError):
                    self._hosts.doubt()
                break_off(connection)
                await self._pool.expire_connections()
                raise
            finally:
                self._in_use.discard(connection)
                await self._pool.release(connection)

    async def _connected(self) -> Connection:
        try:
            return await self._pool.acquire(timeout=CONNECT_SECONDS)
        except OSError as error:
            # Whoever waits would find out the same, one after the other.
            self._queue.give_up(error)
            raise

    async def _leave(self) -> None:
        """Break off what waits for the server that took the writes before, and connect anew."""
        for connection in self._in_use:
            break_off(connection)
        await self._pool.expire_connections()

    async def run(self, read: Callable[[Connection], Coroutine[Any, Any, _T]]) -> _T:
        """What `read` finds; raises `StoreUnavailable`."""
        with translated("read"):
            async with self.acquired() as connection:
                return await read(connection)

    async def close(self) -> None:
        """Break off what runs, and let go of the database."""
        self._pool.terminate()


async def connect(url: str, **settings: str) -> Connection:
    """One connection, for whoever needs no more; raises `StoreUnusable` with the mend where there is none."""
    try:
        connection = await Hosts(url).connect(server_settings=SETTINGS | settings)
    except Exception as error:
        raise StoreUnusable(_unreachable(error)) from error
    try:
        await _require_usable(connection, settings)
        await _prepare(connection)
    except BaseException:
        await connection.close()
        raise
    return connection


async def _require_usable(connection: Connection, settings: dict[str, str]) -> None:
    """Refuse a PostgreSQL that is too old, a pooler, which keeps settings from it, and an encoding that lacks texts."""
    version = connection.get_server_version()
    if version.major < OLDEST:
        raise StoreUnusable(f"store: PostgreSQL {version.major} is too old: {OLDEST} or newer is needed")
    wanted = SETTINGS | settings
    as_wanted = " AND ".join(f"current_setting('{name}') = '{wanted[name]}'" for name in _TELLING)
    # In one message and without a name: a pooler may give the next one to another server.
    if await connection.execute(f"SELECT WHERE {as_wanted}") != "SELECT 1":
        raise StoreUnusable(_POOLED.format("it drops the settings of a connection"))
    encoding = connection.get_settings().server_encoding
    if encoding != "UTF8":
        raise StoreUnusable(
            f"store: the database is in {encoding}, which cannot hold every text: make one with `createdb "
            "--encoding=UTF8 --template=template0`, or name another one"
        )


_URL: Final = "must be postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
_UNREACHABLE: Final[Sequence[tuple[type[Exception], str]]] = (
    (asyncpg.InvalidCatalogNameError, "{}: make it with `createdb`, or name another one"),
    (
        asyncpg.InvalidAuthorizationSpecificationError,
        "PostgreSQL refuses the user ({}): give another, or its password",
    ),
    (
        asyncpg.TargetServerAttributeNotMatched,
        "none of the hosts takes writes: name the primary, or promote a standby",
    ),
    (asyncpg.exceptions.ClientConfigurationError, f"{_URL}: {{}}"),
    # What Python says of a URL may be part of a password in it.
    (ValueError, f"{_URL}, with / ? # [ ] @ and % in a password written as %2F %3F %23 %5B %5D %40 and %25"),
    (TimeoutError, f"PostgreSQL does not answer within {CONNECT_SECONDS:g} s: see that host and port are right"),
    (OSError, "cannot reach PostgreSQL ({}): see that it runs, and that host and port are right"),
    (Exception, "cannot connect to PostgreSQL: {}"),
)
"""Why there is no connection, and the mend."""


def _unreachable(error: Exception) -> str:
    """What to tell; without the URL, which may hold a password."""
    if isinstance(error, asyncpg.ProtocolViolationError | asyncpg.FeatureNotSupportedError) and "parameter" in str(
        error
    ):
        return _POOLED.format(error)
    mend = next(mend for kind, mend in _UNREACHABLE if isinstance(error, kind))
    # PostgreSQL adds details and hints in lines of their own.
    return f"store: {mend.format(' '.join(str(error).split()))}"


async def _prepare(connection: Connection) -> None:
    """Set what is not set when a connection begins."""
    await connection.execute(
        # What was acknowledged must outlive a crash; a stronger setting than that stays.
        "SELECT set_config('synchronous_commit', 'on', false)"
        " WHERE current_setting('synchronous_commit') IN ('off', 'local')"
    )
    transport = connection._transport  # noqa: SLF001
    own = transport.get_extra_info("socket")
    if own is not None and own.family in (socket.AF_INET, socket.AF_INET6):
        for level, option, value in _KEEPALIVE:
            if hasattr(socket, option):
                own.setsockopt(level, getattr(socket, option), value)


def break_off(connection: Connection) -> None:
    """End a connection that is of no use any more, whoever did so before."""
    with suppress(asyncpg.InterfaceError):
        connection.terminate()


async def _leave_as_it_is(connection: Connection) -> None:
    """Nothing is set on a connection that its next user must not see, and to reset it is a round trip."""


async def pause(tries: int) -> None:
    """Wait before a transaction is tried again: little, and longer each time."""
    await asyncio.sleep(0.002 * 2**tries)


__all__ = [
    "IDLE_SECONDS",
    "Connection",
    "Connections",
    "StartOver",
    "break_off",
    "connect",
    "is_away",
    "is_undone",
    "pause",
    "required",
    "translated",
]
