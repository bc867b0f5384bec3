"""Several servers on one PostgreSQL: each answers for all, and what befalls one does not hold up the others."""

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import asyncpg
import grpc
import httpx
import pytest

from msgstate.v1 import message_status_service_pb2 as pb
from msgstate_server.store.postgres.sessions import IDLE_SECONDS, SETTINGS
from tests.acceptance.conftest import StartServer
from tests.acceptance.replicas import places, read_log, say, traffic, until
from tests.acceptance.server_process import ServerProcess, write_config
from tests.acceptance.test_restart import check, post, transitions
from tests.postgres.databases import Databases
from tests.postgres.fixture import StartPostgres
from tests.postgres.network import BLACK_HOLE, behind_proxy
from tests.robustness.host import Process
from tests.rpc.running import DEADLINE, connected, eventually, following
from tests.rpc.samples import DELIVERED, SENT, event, told
from tests.webhooks.samples import cloudmailin_event

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOW: Final = pb.WatchTransitionsRequest(start_point=pb.START_POINT_NOW)
EXIT_SECONDS: Final = 3.5
"""How long a server may take to end whose database is gone; after 4 s it would be ended, and with an error."""
HELD_UP_SECONDS: Final = 4 * IDLE_SECONDS
"""How long a replica that stands still may hold up the others, on a machine that is busy with other things too."""
HOLDS_UP_ANOTHER: Final = (
    "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid)))"
)
"""Whether another session waits for a lock of the one that asks."""


async def test_replicas_answer_for_each_other(server_process: StartServer, postgres_dsn: str) -> None:
    """What one takes the other tells at once: by status, by watch, and from a token of the first."""
    one, other = server_process(postgres_dsn), server_process(postgres_dsn)
    async with connected(one.grpc) as first, connected(other.grpc) as second:
        watch = second.statuses.WatchTransitions(NOW, timeout=DEADLINE)
        assert not (await following(watch)).transitions
        await post(one.http, "m1")
        posted = transitions([await following(watch)])
        token = (await first.publish(event("m2", SENT))).resume_token
        await second.publish(event("m2", DELIVERED))
        for message_id in ("m1", "m1-e", "m2"):
            assert (await first.status(message_id)).status == (await second.status(message_id)).status
        resumed = await second.watched(
            pb.WatchTransitionsRequest(resume_token=token), lambda seen: any(places_of(seen))
        )

    assert {each.message_id for each in posted} <= {"m1", "m1-e"}
    assert places_of(resumed) == [(5, "m2", "to@example.com")]
    check(postgres_dsn)


def places_of(responses: list[pb.WatchTransitionsResponse]) -> list[tuple[int, str, str]]:
    return places(transitions(responses))


async def test_replicas_start_at_once_on_nothing(tmp_path: Path, postgres: Databases, postgres_dsn: str) -> None:
    """Of several that start at the same moment on an empty database one makes the schema, and all become ready."""
    servers = [
        ServerProcess(postgres_dsn, write_config(tmp_path / f"{number}.toml", postgres_dsn)) for number in range(3)
    ]
    try:
        await asyncio.gather(*[asyncio.to_thread(server.start) for server in servers])
        async with connected(servers[0].grpc) as first, connected(servers[-1].grpc) as last:
            await first.publish(event("m1", SENT))
            assert (await last.status("m1")).status.recipients[0].position == 1
        assert [server.terminate() for server in servers] == [0, 0, 0]
    finally:
        for server in servers:
            server.kill()

    assert [log_levels(server) & {"error", "critical"} for server in servers] == [set(), set(), set()]
    assert len(postgres.query("SELECT FROM msgstate.head", database=postgres_dsn.rpartition("/")[2])) == 1


def log_levels(server: ServerProcess) -> set[str]:
    return {json.loads(line)["level"] for line in server.log().splitlines()}


async def test_one_stops_and_the_other_goes_on(server_process: StartServer, postgres_dsn: str) -> None:
    """SIGTERM ends one cleanly under load; its clients go on at the other, where nothing is lost or told twice."""
    one, other = server_process(postgres_dsn), server_process(postgres_dsn)
    async with traffic((one.grpc, other.grpc), (other.grpc,)) as running:
        await running.flows()
        assert await asyncio.to_thread(one.terminate) == 0
        await running.flows()
        await running.prove(other.grpc)
    assert running.publishers[1].refusals == []
    assert running.followers[1].ends == []
    check(postgres_dsn)


async def test_one_is_killed_amid_writing(server_process: StartServer, postgres_dsn: str) -> None:
    """Kill after kill: nothing that any replica acknowledged is lost, and the other does not notice."""
    one, other = server_process(postgres_dsn), server_process(postgres_dsn)
    async with traffic((one.grpc, other.grpc), (other.grpc,)) as running:
        await running.flows()
        one.kill()
        await running.flows()
        await running.prove(other.grpc)
    assert running.publishers[1].refusals == []
    assert running.followers[1].ends == []
    assert "error" not in log_levels(other)
    check(postgres_dsn)


async def test_writers_beside_each_other_are_no_takeover(server_process: StartServer, postgres_dsn: str) -> None:
    """However replicas' commits overtake each other on the way back, none thinks that the log lost its end."""
    one, other = server_process(postgres_dsn), server_process(postgres_dsn)
    async with traffic((one.grpc,), (one.grpc,), (other.grpc,), (other.grpc,)) as running:
        await running.flows(40)
        await running.prove(one.grpc)
    assert [log_levels(server) & {"warning", "error"} for server in (one, other)] == [set(), set()]


async def test_the_database_restarts_under_them(server_process: StartServer, start_postgres: StartPostgres) -> None:
    """Without their database replicas answer UNAVAILABLE and 503 and when to come again; with it all goes on."""
    database = start_postgres()
    dsn = database.create_database("shared")
    one, other = server_process(dsn), server_process(dsn)
    async with traffic((one.grpc,), (other.grpc,)) as running, connected(one.grpc) as client:
        await running.flows()
        began = time.monotonic()
        await asyncio.to_thread(database.stop)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await client.publish(event("refused"))
        with pytest.raises(grpc.aio.AioRpcError) as unread:
            await client.status("p0-0")
        answer = await posted(other.http)
        await until(lambda: all(each.refusals for each in running.publishers), "refused")
        await asyncio.to_thread(database.start)
        back = time.monotonic()
        await running.flows()
        await running.prove(one.grpc)
    seconds = max(each.first_after(back) for each in running.publishers)
    say(f"the database was away for {back - began:.2f} s; the first acknowledgements came {seconds:.2f} s after that")
    for raised in (refused, unread):
        assert told(raised.value) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE", "msgstate", {}, [], 1.0)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    check(dsn)


async def posted(address: str) -> httpx.Response:
    body = {"events": [cloudmailin_event("dispatch", message_id="away")]}
    async with httpx.AsyncClient(base_url=f"http://{address}", timeout=DEADLINE, trust_env=False) as http:
        return await http.post("/webhooks/cloudmailin", json=body, auth=("hook", "secret"))


async def test_a_long_outage_ends_watches(server_process: StartServer, start_postgres: StartPostgres) -> None:
    """Watches end with UNAVAILABLE where the log cannot be read for long, and resume from their token without a gap."""
    database = start_postgres()
    dsn = database.create_database("shared")
    one, other = server_process(dsn), server_process(dsn)
    async with traffic((one.grpc,), (other.grpc,)) as running:
        await running.flows()
        await asyncio.to_thread(database.kill)
        await until(lambda: all(each.ends for each in running.followers), "watches ended")
        await asyncio.to_thread(database.start)
        await running.flows()
        await running.prove(one.grpc)
    assert {code for each in running.followers for code in each.ends} == {grpc.StatusCode.UNAVAILABLE}
    check(dsn)


async def test_a_stop_while_the_database_is_gone(server_process: StartServer, postgres_dsn: str) -> None:
    """SIGTERM ends a server by itself whose database fell silent amid a write, and whoever wrote is told."""
    async with behind_proxy(postgres_dsn) as (proxy, url):
        server = await asyncio.to_thread(server_process, url)
        async with connected(server.grpc) as client, holding_the_head(postgres_dsn) as holder:
            writing = asyncio.create_task(client.publish(event("m1", SENT)))
            while not await holder.fetchval(HOLDS_UP_ANOTHER):
                pass
            proxy.turn(BLACK_HOLE)
            began = time.monotonic()
            code = await asyncio.to_thread(server.terminate)
            seconds = time.monotonic() - began
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await writing
    say(f"a server whose database fell silent amid a write ended with {code}, {seconds:.2f} s after SIGTERM")
    assert (code, told(raised.value)[:2]) == (0, (grpc.StatusCode.UNAVAILABLE, "DRAINING"))
    assert seconds < EXIT_SECONDS
    assert "Traceback" not in server.log()
    check(postgres_dsn)


async def test_a_session_that_holds_the_head(server_process: StartServer, postgres_dsn: str) -> None:
    """Whoever stands still with the head locked, with a replica's own settings, holds up the others no longer."""
    server = server_process(postgres_dsn)
    async with connected(server.grpc) as client, holding_the_head(postgres_dsn):
        began = time.monotonic()
        await client.publish(event("m1", SENT))
        seconds = time.monotonic() - began
    say(f"a session that held the head held up a writer for {seconds:.2f} s")
    assert seconds < HELD_UP_SECONDS


@asynccontextmanager
async def holding_the_head(dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(dsn, server_settings=SETTINGS)
    await connection.execute("BEGIN; UPDATE head SET position = position")
    try:
        yield connection
    finally:
        connection.terminate()


async def test_a_replica_that_stands_still(server_process: StartServer, tmp_path: Path, postgres_dsn: str) -> None:
    """A replica that is stopped with the head in its hands delays the other by seconds, and later goes on itself."""
    server = server_process(postgres_dsn)
    async with stoppable(tmp_path, postgres_dsn) as still, connected(still.grpc) as asleep:
        await asleep.publish(event("before", SENT))
        still.order("arm write.after_head:1:freeze")
        sleeping = asyncio.create_task(asleep.publish(event("asleep", SENT)))
        await eventually((tmp_path / "fired").exists)
        async with connected(server.grpc) as awake:
            began = time.monotonic()
            await awake.publish(event("awake", SENT))
            seconds = time.monotonic() - began
        still.send(signal.SIGCONT)
        positions = [result.position for result in (await sleeping).results]
    log = places(await read_log(server.grpc, 3))
    say(f"a replica that stood still with the head held up the other for {seconds:.2f} s")
    assert seconds < HELD_UP_SECONDS
    assert [message_id for _, message_id, _ in log] == ["before", "awake", "asleep"]
    assert positions == [3]
    check(postgres_dsn)


@asynccontextmanager
async def stoppable(folder: Path, dsn: str) -> AsyncIterator[Process]:
    """A server that stops where it is told to."""
    config = folder / "stoppable.json"
    settings = {"store": dsn, "grpc": "127.0.0.1:0", "http": "127.0.0.1:0"}
    config.write_text(json.dumps({"settings": settings, "tuning": {}, "fired": str(folder / "fired")}))
    process = Process(folder, 0, config, None)
    try:
        process.order("start")
        await process.ready()
        yield process
    finally:
        process.close()
