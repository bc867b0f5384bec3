"""A server killed in the middle of its work: what it acknowledged is there, and watches go on."""

import asyncio
import random
from typing import Final

import grpc
import pytest

from msgstate.v1 import event_pb2, event_service_pb2, status_pb2
from msgstate.v1 import message_status_service_pb2 as pb
from tests.acceptance.conftest import StartServer
from tests.acceptance.server_process import ServerProcess
from tests.acceptance.test_restart import EARLIEST, check, follow, transitions
from tests.rpc.running import DEADLINE, Client, connected, eventually
from tests.rpc.samples import DELIVERED, SENT, event

pytestmark = pytest.mark.asyncio(loop_scope="session")

CLIENTS: Final = 6
ROUNDS = 10
RECIPIENTS: Final = 10
TAKEN = event_service_pb2.DISPOSITION_ACCEPTED
DUPLICATE = event_service_pb2.DISPOSITION_DUPLICATE


class Publisher:
    """A client that publishes one message after the other and writes down what it is told."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.sent = 0
        self.acknowledged: dict[str, list[int]] = {}

    async def run(self, client: Client) -> None:
        """Publish until the server is gone."""
        while True:
            message_id = f"{self.name}-{self.sent}"
            self.sent += 1
            try:
                response = await client.publish(*batch(message_id))
            except grpc.aio.AioRpcError:
                return
            assert {result.disposition for result in response.results} == {TAKEN}
            self.acknowledged[message_id] = [result.position for result in response.results]

    def unanswered(self) -> str:
        """The one message that was sent and never acknowledged."""
        (message_id,) = {f"{self.name}-{number}" for number in range(self.sent)} - self.acknowledged.keys()
        return message_id


def batch(message_id: str) -> list[event_pb2.Event]:
    """A message's events: all of them transitions."""
    kinds = (SENT, DELIVERED)
    return [event(message_id, kind, recipient=f"{number}@x") for number in range(RECIPIENTS) for kind in kinds]


@pytest.mark.slow
async def test_what_was_acknowledged_survives_kills(server_process: StartServer) -> None:
    """Time after time: acknowledged events stand, positions are dense, `check` passes and the watch misses nothing."""
    chance = random.Random(11)  # noqa: S311  (a fixed seed)
    server = server_process()
    watched: list[pb.WatchTransitionsResponse] = []
    known: set[int] = set()
    for number in range(ROUNDS):
        publishers = [Publisher(f"r{number}c{own}") for own in range(CLIENTS)]
        await _publish_until_killed(server, publishers, watched, chance.randrange(20, 60))
        check(server.store)
        await asyncio.to_thread(server.start)
        async with connected(server.grpc) as client:
            for publisher in publishers:
                known.update(*[await _positions(client, publisher)])
            head = await _caught_up(client, watched)
        assert known == set(range(1, head + 1))
        assert [transition.position for transition in transitions(watched)] == list(range(1, head + 1))

    assert ROUNDS * 20 * 2 * RECIPIENTS < len(known) < ROUNDS * 7_000


async def _publish_until_killed(
    server: ServerProcess, publishers: list[Publisher], watched: list[pb.WatchTransitionsResponse], batches: int
) -> None:
    """Let all publish and one watch go on from where it stood; kill the server after so many more batches."""
    async with connected(server.grpc) as client:
        watching = asyncio.create_task(follow(client, _next(watched), watched))
        running = [asyncio.create_task(publisher.run(client)) for publisher in publishers]
        await eventually(lambda: sum(len(publisher.acknowledged) for publisher in publishers) >= batches)
        server.kill()
        async with asyncio.timeout(DEADLINE):
            await asyncio.gather(*running)
            assert (await watching).code() is grpc.StatusCode.UNAVAILABLE


def _next(watched: list[pb.WatchTransitionsResponse]) -> pb.WatchTransitionsRequest:
    """Where the watch goes on."""
    return pb.WatchTransitionsRequest(resume_token=watched[-1].resume_token) if watched else EARLIEST


async def _positions(client: Client, publisher: Publisher) -> set[int]:
    """Every position of the publisher's events, after proof that each acknowledged one still stands where it stood."""
    for message_id, positions in publisher.acknowledged.items():
        status = (await client.status(message_id)).status
        assert (status.state, len(status.recipients)) == (status_pb2.STATE_DELIVERED, RECIPIENTS)
        assert [recipient.position for recipient in status.recipients] == positions[1::2]
        again = await client.publish(*batch(message_id))
        assert [(result.disposition, result.position) for result in again.results] == [
            (DUPLICATE, position) for position in positions
        ]
    cut_off = await client.publish(*batch(publisher.unanswered()))
    assert len({result.disposition for result in cut_off.results}) == 1, "half of a batch was committed"
    return {result.position for result in cut_off.results}.union(*publisher.acknowledged.values())


async def _caught_up(client: Client, watched: list[pb.WatchTransitionsResponse]) -> int:
    """Read on from the last token to the end of the log, and give where that is."""
    end = (await client.publish()).resume_token
    watched.extend(
        await client.watched(
            _next(watched), lambda seen: seen[-1].phase == pb.WATCH_PHASE_LIVE and seen[-1].resume_token == end
        )
    )
    return watched[-1].head_position
