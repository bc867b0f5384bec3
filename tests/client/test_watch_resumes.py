"""Watches while servers and networks fail under them."""

import logging
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import msgstate
from msgstate import EARLIEST, Client, Transition
from tests.acceptance.server_process import ServerProcess, wait_until
from tests.client.conftest import Connect
from tests.client.proxy import Proxy
from tests.client.samples import SENT, event, new_server
from tests.ports import free_port

LAST = "last"


class Publisher:
    """Publishes one message after the other in a thread, over every failure of its server, until it is told to stop."""

    def __init__(self, address: str) -> None:
        self.published: list[str] = []
        self._stopping = threading.Event()
        self._address = address
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Return once the last message is published."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        with Client(self._address, timeout=60) as client:
            while not self._stopping.is_set():
                self._publish(client, f"p{len(self.published)}")
            self._publish(client, LAST)

    def _publish(self, client: Client, message_id: str) -> None:
        client.publish_batch([event(message_id, SENT)])
        self.published.append(message_id)


@contextmanager
def publishing(address: str) -> Iterator[Publisher]:
    """A publisher at work; on leaving it has published its last message."""
    publisher = Publisher(address)
    publisher.start()
    try:
        yield publisher
    finally:
        publisher.stop()


class Recorder:
    """Follows a watch in a thread up to the last message."""

    def __init__(self, client: Client) -> None:
        self.seen: list[Transition] = []
        self._client = client
        self._thread = threading.Thread(target=self._run)
        self._entered = threading.Event()

    def start(self) -> None:
        """Return once the watch is open."""
        self._thread.start()
        assert self._entered.wait(20)

    def result(self) -> list[str]:
        """What was seen, up to the last message."""
        self._thread.join(60)
        assert not self._thread.is_alive(), self.seen[-1:]
        assert list(range(1, len(self.seen) + 1)) == [transition.position for transition in self.seen]
        return [transition.message_id for transition in self.seen]

    def wait_for(self, count: int) -> None:
        """Return once so many more were seen."""
        wanted = len(self.seen) + count
        wait_until(lambda: len(self.seen) >= wanted, 30, f"{wanted} transitions seen")

    def _run(self) -> None:
        with self._client.watch(EARLIEST) as watch:
            self._entered.set()
            for transition in watch:
                self.seen.append(transition)
                if transition.message_id == LAST:
                    return


def kill(server: ServerProcess) -> None:
    server.kill()
    server.start()


def terminate(server: ServerProcess) -> None:
    assert 0 == server.terminate(), server.log()
    server.start()


def test_a_restart_loses_and_repeats_nothing(connect: Connect, own_server: ServerProcess) -> None:
    """While a server is stopped and started again under load, a watch gives exactly what was published, in order."""
    recorder = Recorder(connect(own_server.grpc))
    recorder.start()
    with publishing(own_server.grpc) as publisher:
        for stop in (kill, terminate):
            recorder.wait_for(20)
            stop(own_server)
        recorder.wait_for(20)

    assert publisher.published == recorder.result()


def test_an_old_connection_is_left_without_a_word(
    connect: Connect, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Where a server ends connections by their age, a watch and a publisher go on at once, and nobody is warned."""
    caplog.set_level(logging.INFO, logger="msgstate")
    server = new_server(tmp_path, connection_age="1s")
    server.start()
    try:
        recorder = Recorder(connect(server.grpc))
        recorder.start()
        with publishing(server.grpc) as publisher:
            for moves in (1, 2, 3):
                wait_until(lambda moves=moves: len(caplog.records) >= moves, 30, "moved")  # type: ignore[misc]
                recorder.wait_for(20)
        assert publisher.published == recorder.result()
    finally:
        server.kill()

    told = {(record.levelname, record.getMessage()) for record in caplog.records}
    assert told == {("INFO", "a watch leaves an old connection")}


def test_a_cut_connection_loses_and_repeats_nothing(connect: Connect, own_server: ServerProcess) -> None:
    """While the network fails again and again, a watch gives exactly what was published, in order."""
    with Proxy(own_server.grpc) as proxy:
        recorder = Recorder(connect(proxy.address))
        recorder.start()
        with publishing(own_server.grpc) as publisher:
            for _ in range(5):
                recorder.wait_for(20)
                # What was seen may have come before the last cut.
                wait_until(lambda: proxy.cut() > 0, 10, "connected again")
            recorder.wait_for(20)

        assert publisher.published == recorder.result()


def test_a_lost_server_is_logged_once(
    connect: Connect, own_server: ServerProcess, caplog: pytest.LogCaptureFixture
) -> None:
    """The loss of a server and the resumption are a line each in the log named `msgstate`."""
    caplog.set_level(logging.INFO, "msgstate")
    with connect(own_server.grpc).watch() as watch:
        kill(own_server)
        with Client(own_server.grpc) as client:
            client.publish_batch([event("m")])
        assert "m" == next(watch).message_id

    lost, resumed = (record.getMessage() for record in caplog.records)
    assert own_server.grpc in lost
    assert "a watch resumed" == resumed


def test_a_watch_moves_to_another_address(connect: Connect, own_server: ServerProcess) -> None:
    """A watch whose server is gone goes on at the next address that leads to the same log."""
    with Proxy(own_server.grpc) as first, Proxy(own_server.grpc) as second:
        recorder = Recorder(connect(first.address, second.address, f"127.0.0.1:{free_port()}"))
        recorder.start()
        with publishing(own_server.grpc) as publisher:
            recorder.wait_for(20)
            # Whichever it is on, it is thrown off.
            first.cut()
            second.cut()
            recorder.wait_for(20)

        assert publisher.published == recorder.result()


def test_the_first_connection_is_not_tried_for_ever(connect: Connect) -> None:
    """A watch that never reached a server raises ServerUnavailable after the client's timeout."""
    watch = connect(f"127.0.0.1:{free_port()}", timeout=0.5).watch()

    with pytest.raises(msgstate.ServerUnavailable):
        next(watch)


def test_close_ends_a_watch_that_looks_for_its_server(connect: Connect, own_server: ServerProcess) -> None:
    """A watch whose server is away ends when it is closed."""
    with connect(own_server.grpc).watch() as watch:
        own_server.kill()
        timer = threading.Timer(0.3, watch.close)
        timer.start()
        assert [] == list(watch)
        timer.join()


def copy_store(store: Path, target: Path) -> None:
    """Copy a stopped server's file, and what goes with it."""
    for path in store.parent.glob(f"{store.name}*"):
        shutil.copy(path, target / path.name)


def test_an_older_copy_of_the_store_has_diverged(own_server: ServerProcess, tmp_path: Path) -> None:
    """Where a server comes back with an older copy of its store, the watch raises HistoryDiverged and stops."""
    with Client(own_server.grpc) as client:
        client.publish_batch([event("m0")])
    copies = tmp_path / "copies"
    copies.mkdir()
    own_server.terminate()
    copy_store(own_server.store, copies)
    own_server.start()
    with Client(own_server.grpc) as client, client.watch() as watch:
        client.publish_batch([event("m1")])
        assert "m1" == next(watch).message_id
        own_server.terminate()
        for path in own_server.store.parent.glob(f"{own_server.store.name}*"):
            path.unlink()
        copy_store(copies / own_server.store.name, own_server.store.parent)
        own_server.start()

        with pytest.raises(msgstate.HistoryDiverged, match=r"list_statuses.*EARLIEST"):
            next(watch)


@pytest.mark.slow
def test_a_frozen_server_is_noticed(
    connect: Connect, own_server: ServerProcess, caplog: pytest.LogCaptureFixture
) -> None:
    """A server that stops without a word is lost after two unanswered pings, and found again when it goes on."""
    client = connect(own_server.grpc)
    with caplog.at_level(logging.WARNING, "msgstate"), client.watch() as watch:
        own_server.send(signal.SIGSTOP)
        reading = threading.Thread(target=lambda: seen.append(next(watch).message_id))
        seen: list[str] = []
        reading.start()
        try:
            wait_until(lambda: "lost its server" in caplog.text, 40, "noticed")
        finally:
            own_server.send(signal.SIGCONT)
        client.publish_batch([event("after")])
        reading.join(30)
    assert seen == ["after"]
