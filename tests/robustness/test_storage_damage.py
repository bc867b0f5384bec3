"""Files that lost what was acknowledged: not served, or their readers are told; never served in silence."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import grpc
import pytest

from msgstate import AsyncClient, HistoryDiverged
from msgstate.v1 import message_status_service_pb2 as pb
from msgstate_server.domain.errors import StoreUnusable
from msgstate_server.store.sqlite import SqliteStore, SqliteUpkeep
from tests.acceptance.server_process import ServerProcess
from tests.acceptance.test_restart import EARLIEST, check
from tests.builders import append, numbered
from tests.robustness.storage import change, server_on
from tests.robustness.tables import connect
from tests.rpc.running import DEADLINE, Client, connected, serving
from tests.rpc.samples import DELIVERED, SENT, event, told

pytestmark = pytest.mark.asyncio(loop_scope="session")

EVENTS: Final = 20


def _overwrite(store: Path) -> None:
    """Put garbage in the middle half of the file."""
    size = store.stat().st_size // 4096
    with store.open("r+b") as file:
        file.seek(size // 4 * 4096)
        file.write(b"\xa5" * (size // 2 * 4096))


HEAD: Final = "event 100 is not the one that its head says"
DAMAGES: Final[dict[str, tuple[Callable[[Path], object], str]]] = {
    "truncated": (lambda store: os.truncate(store, 20 * 4096), "malformed"),
    "overwritten": (_overwrite, "damaged"),
    "header": (lambda store: store.write_bytes(b"\0" * 100 + store.read_bytes()[100:]), "not a SQLite database"),
    "head behind": (lambda store: change(store, "UPDATE head SET position = 90"), "its log has events 1 to 100"),
    "head ahead": (lambda store: change(store, "UPDATE head SET position = 120"), "its log has events 1 to 100"),
    "last event gone": (lambda store: change(store, "DELETE FROM event WHERE position = 100"), "events 1 to 99"),
    "first event gone": (lambda store: change(store, "DELETE FROM event WHERE position = 1"), "events 2 to 100"),
    "log gone": (lambda store: change(store, "DELETE FROM event"), "its log has nothing"),
    "other event": (lambda store: change(store, "UPDATE event SET version = 2 WHERE position = 100"), HEAD),
    "older recipient": (lambda store: change(store, "UPDATE recipient_status SET update_time = update_time - 1"), HEAD),
    "head gone": (lambda store: change(store, "DELETE FROM head"), "the head is gone"),
    "malformed head": (
        lambda store: change(
            store,
            "PRAGMA writable_schema = ON",
            "UPDATE sqlite_schema SET sql = replace(sql, 'STRICT', '') WHERE name = 'head'",
            "PRAGMA writable_schema = RESET",
            "UPDATE head SET position = x'00'",
        ),
        "the head is malformed",
    ),
    "malformed schema": (
        lambda store: change(
            store,
            "PRAGMA writable_schema = ON",
            "UPDATE sqlite_schema SET sql = CAST('CREATE TABLE ' || x'bb20bb' AS TEXT) WHERE name = 'head'",
        ),
        "its schema is malformed",
    ),
    "unlike floor": (lambda store: change(store, "UPDATE head SET floor = 100"), "no event is kept after 100"),
}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with 100 events, which nobody serves."""
    return asyncio.run(_fill(tmp_path_factory.mktemp("filled") / "msgstate.db"))


async def _fill(path: Path) -> Path:
    store = await SqliteStore.open(path)
    await append(store, *numbered(100))
    await store.close()
    return path


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_file_is_refused(tmp_path: Path, filled: Path, damage: str) -> None:
    """A file that is not whole, or whose log does not end where its head says, is not served, and the mend is named."""
    store = tmp_path / "msgstate.db"
    shutil.copyfile(filled, store)
    do, words = DAMAGES[damage]
    do(store)
    for attempt in (lambda: SqliteStore.open(store), lambda: asyncio.to_thread(SqliteUpkeep(store).condition)):
        with pytest.raises(StoreUnusable, match=words) as caught:
            await attempt()
        if damage != "header":
            assert str(caught.value).endswith("restore a backup")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """A server, not started; killed in the end."""
    made = server_on(tmp_path / "msgstate.db", tmp_path)
    yield made
    made.kill()


def _tear(store: Path) -> None:
    """Take the second half of the write-ahead log away."""
    wal = store.with_name("msgstate.db-wal")
    os.truncate(wal, wal.stat().st_size // 2)


def _scratch(store: Path) -> None:
    """Put garbage in the middle of the write-ahead log."""
    wal = store.with_name("msgstate.db-wal")
    with wal.open("r+b") as file:
        file.seek(wal.stat().st_size // 2)
        file.write(b"\xa5" * 100)


def _restore(store: Path) -> None:
    """Put the copy in the place of the store, as the docs say."""
    for path in store.parent.glob("msgstate.db*"):
        path.unlink()
    shutil.copyfile(store.with_name("copy.db"), store)


LOSSES: Final[dict[str, Callable[[Path], None]]] = {
    "torn log": _tear,
    "scratched log": _scratch,
    "missing log": lambda store: store.with_name("msgstate.db-wal").unlink(),
    "restored copy": _restore,
}


_USUAL: Final = ("restored copy",)


@pytest.mark.parametrize(
    "loss", [each if each in _USUAL else pytest.param(each, marks=pytest.mark.slow) for each in LOSSES]
)
async def test_a_token_of_a_lost_event_has_diverged(server: ServerProcess, loss: str) -> None:
    """Who read what is gone is told so, at once and after the log grew past it; who read less goes on."""
    await asyncio.to_thread(server.start)
    async with connected(server.grpc) as client:
        await _publish(client, "kept")
    await asyncio.to_thread(server.terminate)
    await asyncio.to_thread(server.start)
    async with connected(server.grpc) as client:
        kept = (await client.publish()).resume_token
        change(server.store, f"VACUUM INTO '{server.store.with_name('copy.db')}'")
        for number in range(5):
            await _publish(client, f"lost{number}")
        lost = (await client.publish()).resume_token
    server.kill()
    LOSSES[loss](server.store)
    await asyncio.to_thread(server.start)
    async with connected(server.grpc) as client:
        await _require_diverged(client, server.grpc, lost)
        number = 0
        while (await _publish(client, f"new{number}")) <= 7 * EVENTS:
            number += 1
        await _require_diverged(client, server.grpc, lost)
        request = pb.WatchTransitionsRequest(resume_token=kept)
        (first, *_), *_ = [
            each.transitions for each in await client.watched(request, lambda seen: bool(seen[-1].transitions))
        ][-1:]
        assert first.position == EVENTS + 1
    assert await asyncio.to_thread(server.terminate) == 0
    await asyncio.to_thread(check, server.store)


async def _publish(client: Client, message_id: str) -> int:
    """Publish events of about 1 KiB; the position of the last."""
    events = [event(message_id, SENT, recipient=f"{number}@x", detail="d" * 900) for number in range(EVENTS)]
    return (await client.publish(*events)).results[-1].position


async def _require_diverged(client: Client, address: str, token: str) -> None:
    """Both a plain watch and the Python client's end with HISTORY_DIVERGED."""
    request = pb.WatchTransitionsRequest(resume_token=token)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.watched(request, lambda _: True)
    assert told(caught.value).reason == "HISTORY_DIVERGED"
    async with AsyncClient(address) as own:
        with pytest.raises(HistoryDiverged):
            await anext(_positions(own, token))


async def _positions(client: AsyncClient, token: str) -> AsyncIterator[int]:
    async with client.watch(token) as watch:
        async for transition in watch:
            yield transition.position


@pytest.mark.slow
async def test_damage_that_a_start_does_not_find_is_told_when_it_is_met(server: ServerProcess) -> None:
    """Where pages in the middle of the log are garbage, reads of them are UNAVAILABLE, and the log names the mend."""
    await asyncio.to_thread(server.start)
    async with connected(server.grpc) as client:
        for number in range(30):
            await _publish(client, f"m{number}")
    await asyncio.to_thread(server.terminate)
    _spoil_a_page_of_events(server.store)
    await asyncio.to_thread(server.start)
    async with connected(server.grpc) as client:
        for call in (
            client.watched(EARLIEST, lambda seen: seen[-1].phase == pb.WATCH_PHASE_LIVE),
            client.statuses.GetMessageHistory(
                pb.GetMessageHistoryRequest(message_id="m15", page_size=1_000), timeout=DEADLINE
            ),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call
            assert (caught.value.code(), told(caught.value).reason) == (
                grpc.StatusCode.UNAVAILABLE,
                "STORE_UNAVAILABLE",
            )
        assert (await client.publish(event("after", DELIVERED))).results[0].position == 30 * EVENTS + 1
    assert "restore a backup" in server.log()


async def test_damage_that_a_write_meets_is_told_to_who_writes(filled: Path, tmp_path: Path) -> None:
    """Where a page that a write needs is garbage, it is UNAVAILABLE; what needs it not is written."""
    store = tmp_path / "msgstate.db"
    shutil.copyfile(filled, store)
    _spoil_root(store, "alias")
    aliased = event("new", DELIVERED)
    aliased.aliases.append("alias")
    async with serving(store) as service, connected(service.grpc_address) as client:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await client.publish(aliased)
        assert (caught.value.code(), told(caught.value).reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
        assert (await client.publish(event("new", DELIVERED))).results[0].position == 101


def _spoil_root(store: Path, table: str) -> None:
    """Put garbage over the first page of a table."""
    with closing(connect(store)) as connection:
        ((page,),) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,))
    content = bytearray(store.read_bytes())
    content[(page - 1) * 4096 : page * 4096] = b"\xa5" * 4096
    store.write_bytes(content)


def _spoil_a_page_of_events(store: Path) -> None:
    """Put garbage over every page that holds the detail of the events of one message in the middle."""
    content = bytearray(store.read_bytes())
    middle = len(content) // 8192 * 4096
    for place in range(middle, middle + 64 * 4096, 4096):
        if content[place] == 0x0D and b"ddddd" in content[place : place + 4096]:
            content[place : place + 4096] = b"\xa5" * 4096
    store.write_bytes(content)
