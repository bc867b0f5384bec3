"""A database that cannot be opened is told in words, with the mend, and without the password."""

import asyncio
import re
import socket
import sys
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote
from uuid import uuid4

import pytest
from asyncpg.types import ServerVersion

from msgstate_server.domain.errors import StoreUnusable, UnknownStore
from msgstate_server.store import opening
from msgstate_server.store.postgres import PostgresAuditor, PostgresStore, PostgresUpkeep, hosts
from msgstate_server.store.postgres.connection import connect
from tests.builders import Clock, append, numbered, positions
from tests.ports import free_port
from tests.postgres.databases import Databases
from tests.postgres.fixture import StartPostgres
from tests.postgres.server import HOST, PostgresServer
from tests.postgres.standby import standby_of

SECRET: Final = "Tr0ub4dor"  # noqa: S105


async def refusals(dsn: str) -> set[str]:
    """What each way to open the database says; none has the password in it."""

    async def serve() -> None:
        await PostgresStore.open(dsn, Clock())

    async def audit() -> None:
        async with PostgresAuditor(dsn).audit():
            pass

    async def look() -> None:
        await asyncio.to_thread(PostgresUpkeep(dsn).condition)

    async def migrate() -> None:
        await asyncio.to_thread(PostgresUpkeep(dsn).migrate)

    told = set()
    for use in (serve, audit, look, migrate):
        with pytest.raises(StoreUnusable) as refused:
            await use()
        told.add(str(refused.value))
    assert SECRET not in "".join(told)
    return told


@pytest.fixture(scope="module")
def guarded() -> Iterator[PostgresServer]:
    """A server that wants the password of one user, and lets another one in nowhere."""
    with PostgresServer() as server:
        server.query(f"CREATE ROLE guarded LOGIN PASSWORD '{SECRET}'")
        server.query("CREATE ROLE unwanted LOGIN")
        file = server.data / "pg_hba.conf"
        rules = "host all guarded all scram-sha-256\nhost all unwanted all reject\n"
        file.write_text(rules + file.read_text())
        server.configure()
        yield server


def dsn_of(server: PostgresServer, user: str, database: str = "postgres") -> str:
    return f"postgresql://{user}@{HOST}:{server.port}/{database}"


async def test_a_database_that_is_not_there(postgres: Databases) -> None:
    """A database that nobody made is named, with the program that makes one."""
    dsn = postgres.dsn("nowhere").replace("postgres@", f"postgres:{SECRET}@")
    assert await refusals(dsn) == {
        'store: database "nowhere" does not exist: make it with `createdb`, or name another one'
    }


@pytest.mark.parametrize(
    ("user", "said"),
    [
        (f"guarded:not-{SECRET}", 'password authentication failed for user "guarded"'),
        ("guarded", 'password authentication failed for user "guarded"|empty password|no password supplied'),
        (f"unwanted:{SECRET}", 'pg_hba.conf rejects connection for host .* user "unwanted"'),
        (f"unheard_of:{SECRET}", 'role "unheard_of" does not exist'),
    ],
)
async def test_a_user_who_is_not_let_in(user: str, said: str, guarded: PostgresServer) -> None:
    """Who is refused is told in the server's words."""
    (told,) = await refusals(dsn_of(guarded, user))
    assert re.fullmatch(rf"store: PostgreSQL refuses the user \((.*{said}.*)\): give another, or its password", told)


async def test_a_password_lets_in(guarded: PostgresServer) -> None:
    """The right password opens the database, also one that is encoded in the URL."""
    odd = "p/s?#@%, '"
    guarded.query("CREATE DATABASE own OWNER guarded")
    for password in (SECRET, odd):
        escaped = password.replace("'", "''")
        guarded.query(f"ALTER ROLE guarded PASSWORD '{escaped}'")
        store = await PostgresStore.open(dsn_of(guarded, f"guarded:{quote(password, safe='')}", "own"), Clock())
        await store.close()


async def test_a_standby_alone(start_postgres: StartPostgres) -> None:
    """Where no host takes writes that is told, be the others away or not."""
    primary = start_postgres()
    with standby_of(primary) as standby:
        expected = {"store: none of the hosts takes writes: name the primary, or promote a standby"}
        assert await refusals(standby.dsn()) == expected
        both = standby.dsn().replace(f":{standby.port}", f":{free_port()},{HOST}:{standby.port}")
        assert await refusals(both) == expected


async def test_nobody_there() -> None:
    """Where nothing listens, or the name is none, that is told."""
    for host in (f"{HOST}:{free_port()}", "host.invalid"):
        (told,) = await refusals(f"postgresql://postgres:{SECRET}@{host}/msgstate")
        assert re.fullmatch(
            r"store: cannot reach PostgreSQL \(.+\): see that it runs, and that host and port are right", told
        )


async def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a connection is taken and nothing said, that is told after a while."""
    monkeypatch.setattr(hosts, "CONNECT_SECONDS", 0.2)
    with socket.create_server((HOST, 0)) as silent:
        told = await refusals(f"postgresql://postgres:{SECRET}@{HOST}:{silent.getsockname()[1]}/msgstate")
    assert told == {"store: PostgreSQL does not answer within 5 s: see that host and port are right"}


async def test_anything_else(postgres: Databases, postgres_dsn: str) -> None:
    """Whatever else the server says is told in its words."""
    name = postgres_dsn.rpartition("/")[2]
    postgres.query(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    assert await refusals(postgres_dsn) == {
        f'store: cannot connect to PostgreSQL: database "{name}" is not currently accepting connections'
    }


@pytest.mark.parametrize("major", [12, 9])
async def test_a_server_that_is_too_old(major: int, postgres_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest version that will do is named beside the one that is there."""
    monkeypatch.setattr("asyncpg.Connection.get_server_version", lambda _: ServerVersion(major, 1, 0, "final", 0))
    assert await refusals(postgres_dsn) == {f"store: PostgreSQL {major} is too old: 13 or newer is needed"}


async def test_an_encoding_that_cannot_hold_every_text(postgres: Databases) -> None:
    """A database that lacks characters is refused before it refuses an event, and how to make another is told."""
    name = f"msgstate_test_{uuid4().hex}"
    postgres.query(f"CREATE DATABASE {name} ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    try:
        (told,) = await refusals(postgres.dsn(name))
    finally:
        postgres.drop_database(name)
    assert told == (
        "store: the database is in LATIN1, which cannot hold every text: make one with `createdb --encoding=UTF8 "
        "--template=template0`, or name another one"
    )


async def test_settings_of_a_database_do_not_matter(postgres: Databases, postgres_dsn: str) -> None:
    """What its owner has set for every connection, and would change what statements mean or cut them off, is undone."""
    name = postgres_dsn.rpartition("/")[2]
    for setting in (
        "standard_conforming_strings = off",
        "statement_timeout = '1ms'",
        "lock_timeout = '1ms'",
        "default_transaction_isolation = serializable",
        "search_path = public",
        "bytea_output = escape",
        "synchronous_commit = off",
    ):
        postgres.query(f"ALTER DATABASE {name} SET {setting}")
    store = await PostgresStore.open(postgres_dsn, Clock())
    try:
        assert positions(await append(store, *numbered(500))) == [*range(1, 501)]
        assert positions(await store.read_log(0, 1_000)) == [*range(1, 501)]
        assert await store.fingerprint_at(0) == bytes(8)
    finally:
        await store.close()


async def test_both_ends_notice_that_the_other_is_gone(postgres_dsn: str) -> None:
    """A connection that nothing comes over is tried by both ends, within some seconds."""
    connection = await connect(postgres_dsn)
    try:
        own = connection._transport.get_extra_info("socket")  # noqa: SLF001
        assert own.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert own.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 5
        assert own.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 8_000
        names = ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count", "tcp_user_timeout")
        assert [await connection.fetchval(f"SHOW {name}") for name in names] == ["5", "2", "3", "8000"]
    finally:
        await connection.close()


URL: Final = r"store: must be postgresql://USER:PASSWORD@HOST:PORT/DATABASE"


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://user:{SECRET}/more@host/db",
        f"postgresql://user:{SECRET}#more@host/db",
        f"postgresql://user:more?{SECRET}@host/db",
        f"postgresql://user:more[{SECRET}@host/db",
        f"postgresql://user:more@[]{SECRET}@host/db",
        f"postgresql://user:{SECRET}@host:port/db",
        f"postgresql://user:{SECRET}@host/db?sslmode=none",
    ],
)
async def test_a_url_that_cannot_be_read(url: str) -> None:
    """A URL that is none is told what one looks like; of a password that is not encoded nothing shows."""
    (told,) = await refusals(url)
    assert told.startswith(URL)


async def test_what_is_wrong_in_a_url_is_named() -> None:
    """Where what is wrong has no part of the password, the driver's words are told."""
    assert await refusals(f"postgresql://u:{SECRET}@host/db?sslmode=none") == {
        f"{URL}: `sslmode` parameter must be one of: disable, allow, prefer, require, verify-ca, verify-full"
    }


@pytest.mark.parametrize("find", [opening.upkeep, opening.auditor])
def test_the_extra_is_named(find: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the driver is not installed the extra that brings it is named."""
    for name in [name for name in sys.modules if name.startswith("msgstate_server.store.postgres")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    with pytest.raises(UnknownStore, match=r"needs the extra `postgres`, .*msgstate\[server,postgres\]'"):
        find(f"postgresql://u:{SECRET}@host/db")  # type: ignore[operator]
