"""A disk that fails: writers are told to come again, everything else goes on, and what was acknowledged stays."""

import asyncio
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import grpc
import httpx
import pytest

from msgstate.v1 import event_pb2, event_service_pb2
from msgstate.v1 import message_status_service_pb2 as pb
from tests.acceptance.server_process import ServerProcess, run
from tests.acceptance.test_restart import EARLIEST, check, transitions
from tests.robustness.power import RecordedServer
from tests.robustness.storage import limit_files, may_mount, mounted, refusal, remount, server_on
from tests.rpc.running import DEADLINE, Client, connected, eventually
from tests.rpc.samples import SENT, Told, event, told
from tests.webhooks.samples import cloudmailin_event

pytestmark = pytest.mark.asyncio(loop_scope="session")

AWAY: Final = Told(grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE", "msgstate", {}, [], 1.0)
TAKEN: Final = event_service_pb2.DISPOSITION_ACCEPTED
BATCH: Final = 20


@pytest.fixture
def servers() -> Iterator[list[ServerProcess]]:
    """Servers to be killed in the end."""
    made: list[ServerProcess] = []
    yield made
    for server in made:
        server.kill()


def batch(message_id: str) -> list[event_pb2.Event]:
    """Events of about 1 KiB, each of a recipient of its own."""
    return [event(message_id, SENT, recipient=f"{number}@x", detail="d" * 900) for number in range(BATCH)]


async def refused(client: Client, message_id: str) -> Told:
    """What a writer is told."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.publish(*batch(message_id))
    return told(caught.value)


async def post(server: ServerProcess, message_id: str) -> httpx.Response:
    """Post a webhook about a message."""
    body = {"events": [cloudmailin_event("delivery", message_id=message_id)]}
    async with httpx.AsyncClient(base_url=f"http://{server.http}", timeout=DEADLINE, trust_env=False) as http:
        return await http.post("/webhooks/cloudmailin", json=body, auth=("hook", "secret"))


async def suffer(server: ServerProcess, fail: Callable[[], None], mend: Callable[[], None]) -> None:
    """Fail the disk under a running server, hold it to what it promises meanwhile, mend it, and go on."""
    await asyncio.to_thread(server.start)
    async with connected(server.grpc) as client:
        watch = client.statuses.WatchTransitions(EARLIEST, timeout=3 * DEADLINE)
        seen: list[pb.WatchTransitionsResponse] = []
        following = asyncio.create_task(_follow(watch, seen))
        await client.publish(*batch("before"))
        fail()
        number = 0
        # What room there is fills first.
        while number < 200 and await _is_taken(client, f"m{number}"):
            number += 1
        assert await refused(client, f"m{number}") == AWAY
        hooks = 0
        while hooks < 200 and (answer := await post(server, f"hook{hooks}")).status_code == 200:
            hooks += 1
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        accepted = BATCH * (1 + number) + hooks
        assert len((await client.status("before")).status.recipients) == BATCH
        start = await client.watched(EARLIEST, lambda found: len(transitions(found)) >= accepted)
        assert len(transitions(start)) == accepted

        mend()
        results = (await client.publish(*batch(f"m{number}"))).results

        last = accepted + BATCH + 1
        assert [(TAKEN, position) for position in range(accepted + 1, last)] == [
            (each.disposition, each.position) for each in results
        ]
        assert (await post(server, f"hook{hooks}")).json()["accepted"] == 1
        await eventually(lambda: len(transitions(seen)) >= last)
        watch.cancel()
        await asyncio.gather(following, return_exceptions=True)
        assert [each.position for each in transitions(seen)] == list(range(1, last + 1))
    assert await asyncio.to_thread(server.terminate) == 0
    await asyncio.to_thread(check, server.store)


async def _follow(
    watch: "grpc.aio.UnaryStreamCall[pb.WatchTransitionsRequest, pb.WatchTransitionsResponse]",
    seen: list[pb.WatchTransitionsResponse],
) -> None:
    async for response in watch:
        seen.append(response)  # noqa: PERF401  (what came before the end counts)


async def _is_taken(client: Client, message_id: str) -> bool:
    try:
        await client.publish(*batch(message_id))
    except grpc.aio.AioRpcError:
        return False
    return True


async def test_a_full_disk(tmp_path: Path, request: pytest.FixtureRequest, servers: list[ServerProcess]) -> None:
    """Where the disk is full, events are refused until there is room; reads and watches go on."""
    if not may_mount(request):
        return
    with mounted(tmp_path / "disk", "1500k") as disk:
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(800 * 1024))
        servers.append(server_on(disk / "msgstate.db", tmp_path))
        await suffer(servers[0], lambda: None, ballast.unlink)
        servers[0].kill()
    assert '"kind": "SQLITE_FULL", "mend": "make room on its disk"' in servers[0].log()


@pytest.mark.slow
async def test_writes_that_fail(tmp_path: Path, servers: list[ServerProcess]) -> None:
    """Where the system refuses to write, events are refused until it does not."""
    server = server_on(tmp_path / "msgstate.db", tmp_path)
    servers.append(server)
    wal = tmp_path / "msgstate.db-wal"
    await suffer(
        server, lambda: limit_files(server.pid, wal.stat().st_size + 50_000), lambda: limit_files(server.pid, -1)
    )
    assert '"kind": "SQLITE_IOERR' in server.log()


@pytest.mark.parametrize("fault", [pytest.param("refuse", marks=pytest.mark.slow), "sync"])
async def test_a_disk_that_takes_nothing(tmp_path: Path, servers: list[ServerProcess], fault: str) -> None:
    """Where the disk went read-only, or a commit cannot be synced, nothing is acknowledged, seen or doubled."""
    server = RecordedServer(tmp_path, pages=1_000, retention="usual")
    servers.append(server)
    await suffer(server, lambda: server.fail(fault), server.mend)


@pytest.mark.slow
async def test_a_disk_that_hangs(tmp_path: Path, servers: list[ServerProcess]) -> None:
    """Where no sync returns, the server still ends within 5 seconds, and who waited was not told that it is durable."""
    server = RecordedServer(tmp_path, pages=1_000, retention="usual")
    servers.append(server)
    await asyncio.to_thread(server.start)
    async with connected(server.grpc) as client:
        await client.publish(*batch("before"))
        wal = server.store.with_name("msgstate.db-wal")
        before = wal.stat().st_size
        server.fail("stall")
        waiting = [asyncio.create_task(refused(client, f"m{number}")) for number in range(3)]
        await eventually(lambda: wal.stat().st_size > before)
        began = time.monotonic()
        code = await asyncio.to_thread(server.interrupt, signal.SIGTERM)
        assert time.monotonic() - began < 5
        assert code == 1
        assert {each.code for each in await asyncio.gather(*waiting)} == {grpc.StatusCode.UNAVAILABLE}
    server.mend()
    await asyncio.to_thread(server.start)
    async with connected(server.grpc) as client:
        assert len((await client.status("before")).status.recipients) == BATCH
        await client.publish(*batch("m0"))
    assert await asyncio.to_thread(server.terminate) == 0
    await asyncio.to_thread(check, server.store)


@pytest.mark.slow
@pytest.mark.parametrize("was", ["stopped", "killed"])
async def test_a_start_on_a_disk_that_is_read_only(
    tmp_path: Path, request: pytest.FixtureRequest, servers: list[ServerProcess], was: str
) -> None:
    """`serve` refuses and says why, `check` works, and once the disk can be written all is there."""
    if not may_mount(request):
        return
    with mounted(tmp_path / "disk", "8m") as disk:
        server = server_on(disk / "msgstate.db", tmp_path)
        servers.append(server)
        await asyncio.to_thread(server.start)
        async with connected(server.grpc) as client:
            await client.publish(*batch("before"))
        server.kill() if was == "killed" else server.terminate()
        remount(disk, "ro")
        assert f"cannot write in {disk} (Read-only file system)" in refusal(server)
        checked = run("check", "--store", f"sqlite:///{server.store}")
        assert (checked.returncode, checked.stdout) == (
            0,
            f"checked {BATCH} recipients and {BATCH} events: everything agrees\n",
        )
        remount(disk, "rw")
        await asyncio.to_thread(server.start)
        async with connected(server.grpc) as client:
            assert len((await client.status("before")).status.recipients) == BATCH
        server.kill()
