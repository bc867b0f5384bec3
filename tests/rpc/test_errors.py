"""Every error that the service raises now: its code, its reason, and what a client acts on."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from msgstate.v1 import event_service_pb2
from msgstate.v1 import message_status_service_pb2 as pb
from msgstate_server.app import clock
from msgstate_server.ingest import Ingest, Quarantine
from msgstate_server.rpc.server import RpcServer
from msgstate_server.store.sqlite import SqliteStore
from msgstate_server.watch import Watches
from msgstate_server.webhooks.intake import take_in_again
from tests.rpc.running import DEADLINE, Client, connected, eventually, serving
from tests.rpc.samples import ACCEPTED, SENT, event, told
from tests.rpc.watching import Kind, Request, following, positions, told_in, watch, watched

if TYPE_CHECKING:
    import sqlite3 as sqlite
else:
    import pysqlite3.dbapi2 as sqlite

pytestmark = pytest.mark.asyncio(loop_scope="session")

Code = grpc.StatusCode
NOW = pb.WatchTransitionsRequest()
EARLIEST = pb.START_POINT_EARLIEST


async def watch_error(client: Client, request: Request) -> grpc.aio.AioRpcError:
    """The error with which a watch is answered."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await watched(client, request, bool)
    return raised.value


async def publish_error(client: Client, seconds: float) -> grpc.aio.AioRpcError:
    """The error with which a batch of one is answered to a client that waits so long."""
    request = event_service_pb2.PublishEventsRequest(events=[event("refused")])
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await client.events.PublishEvents(request, timeout=seconds)
    return raised.value


async def token_of(database: Path, events: int = 0) -> str:
    """The token behind this many more events in a file without a server."""
    async with serving(database) as service, connected(service.grpc_address) as client:
        kinds = [event(f"m{number}", ACCEPTED, detail=database.name) for number in range(events)]
        return (await client.publish(*kinds)).resume_token


async def test_a_token_that_is_not_of_this_log_has_diverged(tmp_path: Path, kind: Kind) -> None:
    """A token of another log, ahead of a restored one, or of a row that a restored log has otherwise."""
    own, restored, other = tmp_path / "own.db", tmp_path / "restored.db", tmp_path / "other.db"
    kept = await token_of(own, 2)
    shutil.copy(own, restored)
    lost = await token_of(own, 3)
    foreign = await token_of(other, 2)

    async with serving(restored) as service, connected(service.grpc_address) as client:
        errors = {"another log": await watch_error(client, kind.request(resume_token=foreign))}
        errors["ahead of the head"] = await watch_error(client, kind.request(resume_token=lost))
        await client.publish(*(event(f"new{number}") for number in range(5)))
        errors["another row"] = await watch_error(client, kind.request(resume_token=lost))
        resumed = await watched(client, kind.request(resume_token=kept), lambda seen: bool(told_in(seen[-1])))

    for case, error in errors.items():
        assert told(error) == (Code.FAILED_PRECONDITION, "HISTORY_DIVERGED", "msgstate", {}, [], None), case
    assert positions(resumed) == [3, 4, 5, 6, 7]


async def test_below_the_retained_log_is_compacted(tmp_path: Path, kind: Kind) -> None:
    """A token and a time below the floor are OUT_OF_RANGE with the earliest position; EARLIEST begins right there."""
    database = tmp_path / "msgstate.db"
    first = await token_of(database, 1)
    async with serving(database) as service, connected(service.grpc_address) as client:
        await client.publish(event("m1", SENT), event("m2"), event("m3"))
        rows = await service._store.read_log(0, 10)  # noqa: SLF001  (nothing else gives a row's fingerprint)
        after = (await client.publish(event("m3", SENT))).resume_token
    with sqlite.connect(database) as connection:
        connection.execute("DELETE FROM event WHERE position <= 3")
        floor = (rows[2].fingerprint, rows[2].commit_time)
        connection.execute("UPDATE head SET floor = 3, floor_fingerprint = ?, floor_time = ?", floor)
    connection.close()

    async with serving(database) as service, connected(service.grpc_address) as client:
        long_ago = kind.request(start_time=Timestamp(seconds=1))
        errors = [await watch_error(client, request) for request in (kind.request(resume_token=first), long_ago)]
        earliest = await watched(client, kind.request(start_point=EARLIEST), lambda seen: bool(told_in(seen[-1])))
        again = kind.request(resume_token=earliest[0].resume_token)
        resumed = await watched(client, again, lambda seen: bool(told_in(seen[-1])))
        (last,) = await watched(client, kind.request(resume_token=after), bool)

    for error in errors:
        assert told(error) == (
            Code.OUT_OF_RANGE, "POSITION_COMPACTED", "msgstate", {"earliest_position": "4"}, [], None
        )  # fmt: skip
    for responses in (earliest, resumed):
        assert positions(responses) == [4, 5]
    assert last.phase == pb.WATCH_PHASE_LIVE


@asynccontextmanager
async def small_server(tmp_path: Path) -> AsyncIterator[tuple[Client, Ingest, Watches]]:
    """A server of one watcher and three events in its queue, which nothing empties until its ingest runs."""
    store = await SqliteStore.open(tmp_path / "small.db", clock)
    ingest, watches = Ingest(store, queue_events=3), Watches(store, max_watchers=1)
    server = RpcServer(ingest, store, watches, Quarantine(store, ingest, take_in_again), clock)
    following = asyncio.create_task(watches.run())
    try:
        async with connected(f"127.0.0.1:{await server.start('127.0.0.1:0')}") as client:
            yield client, ingest, watches
    finally:
        await server.stop(0)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await store.close()


async def test_a_full_queue_asks_for_a_retry(tmp_path: Path) -> None:
    """A batch that finds no room before its deadline is RESOURCE_EXHAUSTED, and can be sent again."""
    async with small_server(tmp_path) as (client, ingest, _):
        waiting = asyncio.create_task(client.publish(*(event(f"m{number}") for number in range(3))))
        await eventually(lambda: bool(ingest._queue))  # noqa: SLF001  (what waits shows nowhere else)
        error = await publish_error(client, 1)
        running = asyncio.create_task(ingest.run())
        answers = [await waiting, await client.publish(event("refused"))]
        ingest.drain()
        await running

    assert told(error) == (Code.RESOURCE_EXHAUSTED, "INGEST_QUEUE_FULL", "msgstate", {}, [], 1.0)
    assert [result.position for answer in answers for result in answer.results] == [1, 2, 3, 4]


async def test_too_many_watchers_ask_for_a_retry(tmp_path: Path, kind: Kind) -> None:
    """One more than the server serves is RESOURCE_EXHAUSTED, until one goes."""
    async with small_server(tmp_path) as (client, _, watches):
        only = watch(client, kind.request())
        await following(only)
        error = await watch_error(client, kind.request())
        only.cancel()
        await eventually(lambda: watches.count == 0)
        (response,) = await watched(client, kind.request(), bool)

    assert told(error) == (Code.RESOURCE_EXHAUSTED, "TOO_MANY_WATCHERS", "msgstate", {}, [], 1.0)
    assert response.resume_token


async def test_a_service_that_drains_asks_for_a_retry(tmp_path: Path, kind: Kind) -> None:
    """Watches get a last checkpoint, then UNAVAILABLE; new events are refused the same way."""
    async with serving(tmp_path / "msgstate.db") as service, connected(service.grpc_address) as client:
        call = watch(client, kind.request())
        await following(call)
        published = await client.publish(event("m1"))
        assert positions([await following(call)]) == [1]
        service._ingest.drain()  # noqa: SLF001  (the steps of a stop, held here to be looked at)
        refused = await publish_error(client, DEADLINE)
        service._watches.drain()  # noqa: SLF001
        last = await following(call)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await following(call)

    assert (told_in(last), last.resume_token) == ([], published.resume_token)
    for error in (refused, raised.value):
        assert told(error) == (Code.UNAVAILABLE, "DRAINING", "msgstate", {}, [], 1.0)


async def test_no_call_is_cut_off_by_a_stop(tmp_path: Path) -> None:
    """Clients that call on and on while the service stops are all told UNAVAILABLE, none of them CANCELLED."""
    errors: list[grpc.aio.AioRpcError] = []

    async def call_until_refused(call: Callable[[], Awaitable[object]]) -> None:
        try:
            while True:
                await call()
        except grpc.aio.AioRpcError as error:
            errors.append(error)

    async with AsyncExitStack() as clients:
        async with serving(tmp_path / "msgstate.db") as service:
            client = await clients.enter_async_context(connected(service.grpc_address))
            await client.publish(event("m1"))
            calls: list[Callable[[], Awaitable[object]]] = [
                lambda: client.publish(event("m1")),
                lambda: client.status("m1"),
                lambda: client.watched(NOW, bool),
            ]
            calling = [asyncio.create_task(call_until_refused(call)) for call in calls * 4]
            for _ in range(20):
                await client.status("m1")
        await asyncio.gather(*calling)

    assert [told(error)[:2] for error in errors] == [(Code.UNAVAILABLE, "DRAINING")] * 12
    assert [told(error).retry_seconds for error in errors] == [1.0] * 12


async def test_an_unknown_message_is_not_found(shared: Client) -> None:
    """The error names what was asked for."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await shared.status("nothing", "shop")

    assert told(raised.value) == (Code.NOT_FOUND, "MESSAGE_NOT_FOUND", "msgstate", {}, [], None)
    assert "'nothing'" in (raised.value.details() or "")
