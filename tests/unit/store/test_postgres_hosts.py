"""Which of several hosts a store connects to."""

import socket
from collections.abc import Iterator

import asyncpg
import pytest

from msgstate_server.store.postgres.hosts import Hosts
from tests.postgres.databases import Databases
from tests.postgres.fixture import StartPostgres
from tests.postgres.network import behind_proxy
from tests.postgres.standby import standby_of


@pytest.fixture
def silent() -> Iterator[str]:
    """A host that takes connections and never answers, as one whose processes stand still."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def address(dsn: str) -> str:
    return dsn.rpartition("@")[2].partition("/")[0]


async def where(hosts: Hosts) -> str:
    connection = await hosts.connect()
    port: int = await connection.fetchval("SELECT inet_server_port()")
    await connection.close()
    return f"127.0.0.1:{port}"


async def test_a_silent_host_keeps_nobody_from_the_next(
    silent: str, postgres: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each host has its share of the time, and the one that answered is asked first from then on."""
    alive = address(postgres.dsn())
    monkeypatch.setattr("msgstate_server.store.postgres.hosts.CONNECT_SECONDS", 2.0)
    hosts = Hosts(postgres.dsn().replace(alive, f"{silent},{alive}"))

    assert await where(hosts) == alive

    monkeypatch.setattr("msgstate_server.store.postgres.hosts.CONNECT_SECONDS", 120.0)
    assert await where(hosts) == alive


async def test_a_host_in_doubt_is_asked_last(postgres: Databases) -> None:
    """After a host was doubted, however often, the next is asked first; who is connected hears of that move alone."""
    async with behind_proxy(postgres.dsn()) as (first, url), behind_proxy(postgres.dsn()) as (second, _):
        hosts = Hosts(url.replace(first.address, f"{first.address},{second.address}"))
        moves: list[str] = []

        async def connected() -> str:
            connection = await hosts.connect()
            host, port = connection._transport.get_extra_info("peername")  # noqa: SLF001
            await connection.close()
            return f"{host}:{port}"

        async def moved() -> None:
            moves.append("moved")

        hosts.on_move(moved)
        assert [await connected(), await connected()] == [first.address] * 2
        hosts.doubt()
        hosts.doubt()
        assert [await connected(), await connected()] == [second.address] * 2
        assert moves == ["moved"]
        second.target = ""
        assert await connected() == first.address
        second.target = first.target
        hosts.doubt()
        first.target = ""
        assert await connected() == second.address
        assert moves == ["moved"] * 2


async def test_the_host_that_takes_writes_is_found(start_postgres: StartPostgres) -> None:
    """A standby is passed over, and once promoted found where the primary was; where none takes writes that is told."""
    primary = start_postgres()
    with standby_of(primary) as standby:
        both = f"{address(standby.dsn())},{address(primary.dsn())}"
        hosts = Hosts(primary.dsn().replace(address(primary.dsn()), both))
        assert await where(hosts) == address(primary.dsn())
        primary.kill()
        with pytest.raises(asyncpg.TargetServerAttributeNotMatched):
            await hosts.connect()
        standby.promote()
        assert await where(hosts) == address(standby.dsn())


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u:p@[::1]:1,b/d?sslmode=disable", ["postgresql://u:p@[::1]:1/d?sslmode=disable", "postgresql://u:p@b/d?sslmode=disable"]),
        ("postgresql:///d?host=a,b", ["postgresql:///d?host=a,b"]),
        ("postgresql://a/d", ["postgresql://a/d"]),
        ("postgresql://[a/d", ["postgresql://[a/d"]),
    ],
)  # fmt: skip
async def test_each_host_has_a_url(url: str, expected: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A URL of several hosts is one for each, with all else as it was; any other is left to the driver."""
    asked: list[str] = []

    async def refuse(url: str, **_: object) -> None:
        asked.append(url)
        raise ConnectionRefusedError

    monkeypatch.setattr(asyncpg, "connect", refuse)
    with pytest.raises(ConnectionRefusedError):
        await Hosts(url).connect()
    assert asked == expected
