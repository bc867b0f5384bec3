"""What campaigns found, each as small as it can be shown."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from msgstate.v1 import message_status_service_pb2 as pb
from msgstate_server import failpoints
from msgstate_server.store.sqlite import SqliteStore
from msgstate_server.watch.start import StartPoint, resolve
from tests.builders import NOW, Clock, append, numbered
from tests.rpc.running import DEADLINE, connected, eventually, serving
from tests.rpc.samples import event
from tests.rpc.watching import following, positions, watch

pytestmark = pytest.mark.asyncio(loop_scope="session")


@contextmanager
def held_at(name: str) -> Iterator[threading.Event]:
    """Let the thread that comes to a failpoint stand there until the end; gives whether one came."""
    reached, going_on = threading.Event(), threading.Event()

    def stand() -> None:
        reached.set()
        going_on.wait(DEADLINE)

    failpoints.arm(name, stand)
    try:
        yield reached
    finally:
        failpoints.arm(name, lambda: None)
        going_on.set()


async def test_token_is_good_at_once(tmp_path: Path) -> None:
    """A token that a watch gave out is good while the commit of its last event has not been answered."""
    async with serving(tmp_path / "a.db") as service, connected(service.grpc_address) as client:
        await client.publish(event("m1"))
        with held_at("write.after_commit") as is_committed:
            publishing = asyncio.create_task(client.publish(event("m2")))
            await eventually(is_committed.is_set)
            earliest = pb.WatchEventsRequest(start_point=pb.START_POINT_EARLIEST)
            seen = watch(client, earliest)
            responses = [await following(seen), await following(seen)]
            seen.cancel()

            again = watch(client, pb.WatchEventsRequest(resume_token=responses[-1].resume_token))
            first = await following(again)
            again.cancel()
        await publishing

    assert [1] == positions(responses)[:1]
    assert responses[-1].resume_token == first.resume_token


async def test_earliest_is_the_floor_at_once(tmp_path: Path) -> None:
    """A watch from EARLIEST starts at the floor, also while the deletion that moved it has not been answered."""
    store = await SqliteStore.open(tmp_path / "a.db", Clock())
    await append(store, *numbered(5))
    with held_at("compact.after_commit") as is_committed:
        compacting = asyncio.create_task(store.compact(NOW + 1, 0, 10))
        await eventually(is_committed.is_set)
        token = await resolve(store, StartPoint.EARLIEST)
    await compacting
    await store.close()

    assert 5 == token.position
