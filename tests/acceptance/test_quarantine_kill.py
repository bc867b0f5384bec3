"""A server killed while it replays quarantine: each webhook was replayed in whole, or is as it was."""

import asyncio
import json
import random
from contextlib import closing
from pathlib import Path
from typing import Final

import grpc
import pytest
from pysqlite3 import dbapi2

from msgstate.v1 import message_status_service_pb2 as pb
from msgstate_server.domain.decision import Payload, Problem, Submission
from msgstate_server.store.sqlite import SqliteStore
from tests.acceptance.conftest import StartServer
from tests.acceptance.server_process import ServerProcess
from tests.acceptance.test_restart import check, transitions
from tests.rpc.quarantining import RECEIVED, body, listed, replay
from tests.rpc.running import DEADLINE, Client, connected

pytestmark = pytest.mark.asyncio(loop_scope="session")

WEBHOOKS = 400
KILLS = 4
KINDS: Final = ("dispatch", "delivery", "open", "click")
CALLERS: Final = 4


async def _fill(path: Path, webhooks: int) -> None:
    """A store whose quarantine holds webhooks that an older version is said not to have understood."""
    store = await SqliteStore.open(path)
    problems = [Problem("", "not understood then")]
    bodies = [body(f"m{number}", *KINDS) for number in range(webhooks)]
    await store.append([Submission([], Payload("cloudmailin", "", RECEIVED, each), problems) for each in bodies])
    await store.close()


async def _replay_until_killed(server: ServerProcess, waiting: list[int], count: int) -> int:
    """Let several callers replay different webhooks; kill the server with the transition of that number.

    Gives how many replays were answered.
    """
    answered = 0
    codes: list[grpc.StatusCode] = []

    async def run(client: Client, own: list[int]) -> None:
        nonlocal answered
        for start in range(0, len(own), 5):
            try:
                answered += len(await replay(client, *own[start : start + 5]))
            except grpc.aio.AioRpcError as error:
                codes.append(error.code())
                return

    async with connected(server.grpc) as client:
        now = await client.watched(pb.WatchTransitionsRequest(), bool)
        request = pb.WatchTransitionsRequest(resume_token=now[-1].resume_token)
        callers = [asyncio.create_task(run(client, waiting[own::CALLERS])) for own in range(CALLERS)]
        # Killed when a commit shows, and not when it is answered, it is in the middle of the next step.
        await client.watched(request, lambda seen: len(transitions(seen)) >= count)
        server.kill()
        async with asyncio.timeout(DEADLINE):
            await asyncio.gather(*callers)
    assert codes == [grpc.StatusCode.UNAVAILABLE] * CALLERS
    return answered


def _assert_whole_or_not(path: Path) -> list[int]:
    """See in the file that each is replayed with all its events, or not at all; gives those that are not."""
    with closing(dbapi2.connect(str(path))) as connection:
        kept = connection.execute("SELECT id, problems FROM quarantine ORDER BY id").fetchall()
        events = connection.execute(
            "SELECT message_id, count(*) FROM event JOIN recipient_status ON recipient_status.id = status_id GROUP BY 1"
        ).fetchall()
    waiting = [quarantined_id for quarantined_id, problems in kept if json.loads(problems)]
    # Filled in order, so that an id tells the message.
    replayed = {f"m{quarantined_id - 1}" for quarantined_id, problems in kept if not json.loads(problems)}
    assert dict(events) == dict.fromkeys(replayed, len(KINDS))
    return waiting


@pytest.mark.slow
async def test_replays_survive_kills(server_process: StartServer, tmp_path: Path) -> None:
    """Kill after kill, no webhook is half replayed, what was answered stands, and the rest can be replayed."""
    chance = random.Random(5)  # noqa: S311  (a fixed seed)
    path = tmp_path / "msgstate.db"
    await _fill(path, WEBHOOKS)
    server = server_process(path)
    waiting = ids = _assert_whole_or_not(path)
    assert ids == list(range(1, WEBHOOKS + 1))
    for _ in range(KILLS):
        before = len(waiting)
        answered = await _replay_until_killed(server, waiting, chance.randrange(5, 150))
        check(path)
        waiting = _assert_whole_or_not(path)
        assert answered <= before - len(waiting)
        await asyncio.to_thread(server.start)
    async with connected(server.grpc) as client:
        for start in range(0, len(ids), 100):
            assert {len(result.results) for result in await replay(client, *ids[start : start + 100])} == {len(KINDS)}
        assert await listed(client, page_size=1_000) == []
    assert _assert_whole_or_not(path) == []
    check(path)
