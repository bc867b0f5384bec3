"""A standby takes over from a primary that is gone: replicas find it by themselves, and watches hear what it lost."""

import asyncio
import time
from collections.abc import Iterator
from typing import Final

import grpc
import pytest

from msgstate.v1 import event_service_pb2
from msgstate.v1 import message_status_service_pb2 as pb
from tests.acceptance.conftest import StartServer
from tests.acceptance.replicas import (
    CALL_SECONDS,
    RETRY_SECONDS,
    Follower,
    batch,
    following,
    places,
    read_log,
    say,
    traffic,
    until,
)
from tests.acceptance.server_process import ServerProcess
from tests.acceptance.test_restart import check
from tests.postgres.fixture import StartPostgres
from tests.postgres.server import HOST, PostgresServer
from tests.postgres.standby import Standby, standby_of
from tests.rpc.running import Client, connected
from tests.rpc.samples import told

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

DATABASE: Final = "shared"
DIVERGED: Final = (grpc.StatusCode.FAILED_PRECONDITION, "HISTORY_DIVERGED")
AFTER_SECONDS: Final = 9.0
"""How long after a standby took over the first acknowledgement may take, on a machine that is busy too."""


@pytest.fixture
def primary(start_postgres: StartPostgres) -> PostgresServer:
    server = start_postgres()
    server.create_database(DATABASE)
    server.disconnect()
    return server


def url_of_both(primary: PostgresServer, standby: PostgresServer) -> str:
    return f"postgresql://postgres@{HOST}:{primary.port},{HOST}:{standby.port}/{DATABASE}"


@pytest.fixture
def standby(primary: PostgresServer) -> Iterator[Standby]:
    with standby_of(primary) as standby:
        yield standby


@pytest.mark.parametrize("fault", ["killed", "paused"])
async def test_a_synchronous_standby_takes_over(
    server_process: StartServer, primary: PostgresServer, fault: str
) -> None:
    """Nothing acknowledged is lost, and watches go on with neither gap nor repeat, be the primary dead or frozen."""
    with await asyncio.to_thread(standby_of, primary, synchronous=True) as standby:
        url = url_of_both(primary, standby)
        one, other = server_process(url), server_process(url)
        async with traffic((one.grpc,), (one.grpc, other.grpc), (other.grpc,)) as running:
            await running.flows()
            await asyncio.to_thread(primary.kill if fault == "killed" else primary.pause)
            gone = time.monotonic()
            await asyncio.to_thread(standby.promote)
            promoted = time.monotonic()
            await running.flows()
            seconds = [each.first_after(gone) for each in running.publishers]
            await running.prove(one.grpc)
        ends = [len(each.ends) for each in running.followers]
        say(
            f"primary {fault}: the standby took over within {promoted - gone:.2f} s, the first acknowledgement came "
            f"after {min(seconds):.2f} s, the slowest client's after {max(seconds):.2f} s; watches ended {ends} times"
        )
        assert max(seconds) < AFTER_SECONDS
        check(standby.dsn(DATABASE))
        check(url)


@pytest.mark.parametrize(("lost", "grown"), [(8, 3), (3, 8)])
async def test_a_standby_that_lost_rows_takes_over(
    server_process: StartServer, primary: PostgresServer, standby: Standby, lost: int, grown: int
) -> None:
    """Who had what the standby lacks is told, watching or resuming, however far the log grew again; no other is."""
    url = url_of_both(primary, standby)
    one, other = server_process(url), server_process(url)
    live, gone = [Follower((server.grpc,)) for server in (one, other)], Follower((one.grpc,))
    async with following(*live):
        kept = [await publish(one, f"kept-{number}") for number in range(3)]
        await asyncio.to_thread(standby.wait_for_replay)
        await asyncio.to_thread(standby.kill)
        async with following(gone):
            undone = [await publish(other, f"lost-{number}") for number in range(lost)]
            await until(lambda: all(each.position == undone[-1][0] for each in (*live, gone)), "watched")
        await asyncio.to_thread(primary.kill)
        await asyncio.to_thread(standby.start)
        await asyncio.to_thread(standby.promote)
        promoted = time.monotonic()
        end = max([await publish(server, f"new-{number}") for number in range(grown) for server in (one, other)])[0]
        await until(lambda: all(each.diverged for each in live), "live watches were told")
        seconds = time.monotonic() - promoted
    say(f"{lost} messages lost, {2 * grown} written since: live watches knew {seconds:.2f} s after the promotion")

    assert [told(each.diverged)[:2] for each in live if each.diverged] == [DIVERGED] * len(live)
    for server in (one, other):
        for token in (gone.token, *[token for _, token in undone]):
            assert await refused(server, token) == DIVERGED
        log = places(await read_log(server.grpc, end))
        assert [position for position, _, _ in log] == list(range(1, len(log) + 1))
        assert {message_id.partition("-")[0] for _, message_id, _ in log} == {"kept", "new"}
        for position, token in kept:
            resumed = Follower((server.grpc,), token)
            async with following(resumed):
                await until(lambda follower=resumed: follower.position == end, "gone on")  # type: ignore[misc]
            assert places(resumed.seen) == log[position:]
    check(url)


async def publish(server: ServerProcess, message_id: str) -> tuple[int, str]:
    """The last position of a message that one replica takes, tried until it does, and a token of that."""
    async with connected(server.grpc) as client, asyncio.timeout(CALL_SECONDS):
        while (response := await taken(client, message_id)) is None:  # noqa: ASYNC110  (it is asked each time)
            await asyncio.sleep(RETRY_SECONDS)
    return response.results[-1].position, response.resume_token


async def taken(client: Client, message_id: str) -> event_service_pb2.PublishEventsResponse | None:
    """The answer; None where there is none now."""
    try:
        return await client.publish(*batch(message_id))
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.UNAVAILABLE:
            raise
        return None


async def refused(server: ServerProcess, token: str) -> tuple[grpc.StatusCode, str]:
    """What a watch from the token is told."""
    async with connected(server.grpc) as client:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await client.watched(pb.WatchTransitionsRequest(resume_token=token), lambda _: False)
    return told(raised.value)[:2]
