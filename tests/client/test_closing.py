"""What is left of a client once it is closed: nothing."""

import gc
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

import msgstate
from msgstate import AsyncClient, Client
from tests.acceptance.server_process import ServerProcess, wait_until
from tests.client.driven import Driven, Loop
from tests.client.samples import DELIVERED, event
from tests.ports import free_port


def sockets() -> int:
    """How many sockets this process has open."""
    count = 0
    for path in Path("/proc/self/fd").iterdir():
        # The folder's own descriptor is gone by now.
        with suppress(FileNotFoundError):
            count += str(path.readlink()).startswith("socket:")
    return count


def use(client: Client, message_id: str, folder: Path) -> None:
    """Do a bit of everything, and leave a watch open."""
    client.publish([event(f"{message_id}-{number}", DELIVERED) for number in range(1_000)])
    client.get_status(f"{message_id}-0")
    client.wait_for(f"{message_id}-0", timeout=5)
    with pytest.raises(msgstate.WaitTimeout):
        client.wait_for("nobody", timeout=0.2)
    next(client.list_statuses())
    with client.watch(msgstate.EARLIEST, keep=folder / "token") as watch:
        next(watch)
    next(client.watch(msgstate.EARLIEST))
    next(client.watch(msgstate.EARLIEST).batches())


@pytest.fixture
def nothing_left() -> Callable[[], None]:
    """Fails unless as many threads and sockets are there as when the test began."""
    gc.collect()
    threads, open_sockets = set(threading.enumerate()), sockets()

    def check() -> None:
        wait_until(lambda: set(threading.enumerate()) <= threads, 10, f"only {threads} are left")
        wait_until(lambda: sockets() <= open_sockets, 10, f"only {open_sockets} sockets are left")

    return check


def test_a_client_leaves_no_thread_and_no_socket(
    shared_server: ServerProcess, message_id: str, tmp_path: Path, nothing_left: Callable[[], None]
) -> None:
    """After close neither threads nor sockets of a Client are left, though a watch was still open."""
    with Client(shared_server.grpc) as client:
        use(client, message_id, tmp_path)

    nothing_left()


def test_an_async_client_leaves_no_task_and_no_socket(
    shared_server: ServerProcess, message_id: str, tmp_path: Path, nothing_left: Callable[[], None]
) -> None:
    """After close neither tasks nor sockets nor threads of an AsyncClient are left, though a watch was still open."""
    loop = Loop()
    try:
        with Driven(loop, AsyncClient(shared_server.grpc)) as client:
            use(client, message_id, tmp_path)  # type: ignore[arg-type]  # it looks like one
        wait_until(lambda: not loop.tasks(), 5, "no task is left")
    finally:
        loop.close()

    del client
    nothing_left()


def test_a_client_that_met_errors_leaves_nothing(nothing_left: Callable[[], None]) -> None:
    """After close nothing is left of calls that failed either."""
    for client in (Client(f"127.0.0.1:{free_port()}", timeout=2), Client(f"127.0.0.1:{free_port()}", retry=False)):
        with client:
            with pytest.raises(msgstate.ServerUnavailable):
                client.get_status("m")
            with pytest.raises(msgstate.ServerUnavailable):
                client.publish([event("m")])
            with pytest.raises(msgstate.ServerUnavailable), client.watch():
                pass

    nothing_left()
