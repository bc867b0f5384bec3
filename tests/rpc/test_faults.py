"""What clients are told when the database is not what it was."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import pytest

from msgstate.v1 import message_status_service_pb2 as pb
from tests.rpc.running import DEADLINE, Client, connected, serving
from tests.rpc.samples import DELIVERED, SENT, Told, event, told

if TYPE_CHECKING:
    import sqlite3 as sqlite
else:
    import pysqlite3.dbapi2 as sqlite

pytestmark = pytest.mark.asyncio(loop_scope="session")

EARLIEST = pb.WatchTransitionsRequest(start_point=pb.START_POINT_EARLIEST)
DRIVER_WORDS = ("sqlite", "table", "column", "recipient_status", "select", "insert", "locked", "syntax", "malformed")


@asynccontextmanager
async def broken(tmp_path: Path, statement: str) -> AsyncIterator[Client]:
    """A service whose database another program changes under it."""
    database = tmp_path / "msgstate.db"
    async with serving(database) as service, connected(service.grpc_address) as client:
        await client.publish(event("m1"), event("m1", DELIVERED))
        connection = sqlite.connect(database, isolation_level=None)
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute(statement)
        connection.close()
        yield client


AWAY = Told(grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE", "msgstate", {}, [], 1.0)
FAULT = Told(grpc.StatusCode.INTERNAL, "INTERNAL", "msgstate", {}, [], None)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("ALTER TABLE recipient_status RENAME TO gone", AWAY),
        ("ALTER TABLE event RENAME TO gone", AWAY),
        ("ALTER TABLE head RENAME TO gone", AWAY),
        ("UPDATE recipient_status SET aliases = 'no JSON'", FAULT),
        ("UPDATE event SET attributes = 'no JSON'", AWAY),
        ("UPDATE event SET type = 99", FAULT),
    ],
)
async def test_a_broken_database_tells_clients_nothing_of_itself(
    tmp_path: Path, statement: str, expected: Told
) -> None:
    """Whatever the driver says, clients read that the service failed or its store is away."""
    async with broken(tmp_path, statement) as client:
        answers = await asyncio.gather(
            client.status("m1"),
            client.publish(event("m1", SENT)),
            client.watched(EARLIEST, lambda seen: seen[-1].phase == pb.WATCH_PHASE_LIVE),
            return_exceptions=True,
        )
        errors = [answer for answer in answers if isinstance(answer, BaseException)]
        assert errors
        for error in errors:
            assert isinstance(error, grpc.aio.AioRpcError)
            assert told(error) == expected
            text = f"{error.details()} {error.trailing_metadata()}".lower()
            assert not [word for word in DRIVER_WORDS if word in text], text
        with pytest.raises(grpc.aio.AioRpcError, match="INVALID_ARGUMENT"):
            await client.status("")


async def test_a_service_that_lost_a_part_does_not_go_on_without_it(tmp_path: Path) -> None:
    """Where webhooks are no longer taken in, it ends with an error, so that whoever runs it can start it anew."""
    async with serving(tmp_path / "msgstate.db") as service:
        running = asyncio.create_task(service.run(asyncio.Event()))
        service._http.should_exit = True  # noqa: SLF001  (no client can end it)
        with pytest.raises(RuntimeError, match="a part of the service ended by itself"):
            async with asyncio.timeout(DEADLINE):
                await running
