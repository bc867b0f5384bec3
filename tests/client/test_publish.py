"""Publishing any number of events."""

import socket
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

import msgstate
from msgstate import AsyncClient, Client, Event, Published, PublishedBatch
from tests.acceptance.server_process import ServerProcess
from tests.client.conftest import Connect
from tests.client.driven import Loop
from tests.client.proxy import Proxy
from tests.client.samples import DELIVERED, event
from tests.ports import free_port


def events(count: int, prefix: str) -> Iterator[Event]:
    """Events of as many messages."""
    return (event(f"{prefix}-{number}") for number in range(count))


def logged(address: str, count: int) -> list[str]:
    """The message ids of so many transitions from the beginning of the log."""
    with Client(address) as client, client.watch(msgstate.EARLIEST) as watch:
        return [next(watch).message_id for _ in range(count)]


def test_every_event_is_durable_when_it_returns(client: Client, message_id: str) -> None:
    """Events of any iterable are published in batches, each reported with where it began; again, all are duplicates."""
    batches: list[PublishedBatch] = []

    published = client.publish(events(2_345, message_id), on_batch=batches.append)

    assert (2_345, 0, []) == (published.accepted, published.duplicates, published.refused)
    assert [0, 500, 1_000, 1_500, 2_000] == [batch.first_index for batch in batches]
    assert [500, 500, 500, 500, 345] == [batch.accepted for batch in batches]
    assert published.resume_token == batches[-1].resume_token == client.get_status(f"{message_id}-0").resume_token
    again = client.publish(events(2_345, message_id), batch_size=1_000)
    assert (0, 2_345) == (again.accepted, again.duplicates)


def test_nothing_is_nothing(client: Client) -> None:
    """No events are published at once."""
    assert Published(0, 0, [], "") == client.publish([])


def test_refused_events_are_reported(client: Client, message_id: str) -> None:
    """A bad event is refused by itself and told with its index among all, itself and its violations."""
    bad = event("", DELIVERED)
    batches: list[PublishedBatch] = []

    published = client.publish([*events(7, message_id), bad, event(message_id)], batch_size=3, on_batch=batches.append)

    (refused,) = published.refused
    assert (8, 7, bad) == (published.accepted, refused.index, refused.event)
    assert ["events[1].message_id"] == [field for field, _ in refused.violations]
    assert [[], [], [refused]] == [batch.refused for batch in batches]


def test_an_event_that_no_batch_can_carry_is_refused(client: Client, message_id: str) -> None:
    """An event of megabytes is refused by itself, as are those over the server's own limit; the others stand."""
    huge = event(message_id, detail="x" * 2_000_000)
    large = event(message_id, detail="x" * 20_000)

    published = client.publish([event(f"{message_id}-1"), huge, large, event(f"{message_id}-2")])

    assert (2, [1, 2]) == (published.accepted, [refused.index for refused in published.refused])
    assert huge == published.refused[0].event
    assert "2,000," in published.refused[0].violations[0][1]


def test_batches_keep_within_the_limit_of_bytes(client: Client, message_id: str) -> None:
    """Large events make smaller batches: the server takes each."""
    batches: list[PublishedBatch] = []
    large = (event(f"{message_id}-{number}", detail="x" * 2_000, url="y" * 2_000) for number in range(1_000))

    assert 1_000 == client.publish(large, batch_size=1_000, on_batch=batches.append).accepted
    assert 4 <= len(batches) <= 5


def test_a_changed_event_can_be_used_again(client: Client, message_id: str) -> None:
    """The caller may change an event once it is taken: what was published is what it was."""

    def changing() -> Iterator[Event]:
        changed = event(message_id)
        for number in range(10):
            changed.message_id = f"{message_id}-{number}"
            yield changed

    assert 10 == client.publish(changing()).accepted
    assert f"{message_id}-3" == client.get_status(f"{message_id}-3").status.message_id


def test_a_long_input_is_never_held_whole(client: Client, message_id: str) -> None:
    """Of 10,000 events no more than a few batches are held at a time."""
    most = acknowledged = 0

    def counted() -> Iterator[Event]:
        nonlocal most
        for number in range(10_000):
            most = max(most, number - acknowledged)
            yield event(f"{message_id}-{number}")

    def acknowledge(batch: PublishedBatch) -> None:
        nonlocal acknowledged
        acknowledged = batch.first_index + batch.accepted

    published = client.publish(counted(), on_batch=acknowledge)

    assert 10_000 == published.accepted
    assert most <= 3_000


def test_publishing_outlives_a_restart(connect: Connect, own_server: ServerProcess) -> None:
    """While the server is killed and started again, every event is published: accepted or a duplicate, in order."""
    client = connect(own_server.grpc, timeout=30)
    restarting: list[threading.Thread] = []

    def restart() -> None:
        own_server.kill()
        own_server.start()

    def interrupted() -> Iterator[Event]:
        for number in range(5_000):
            if number in {1_500, 3_500}:
                restarting.append(threading.Thread(target=restart))
                restarting[-1].start()
            yield event(f"r-{number}")

    published = client.publish(interrupted())

    for thread in restarting:
        thread.join()
    assert (5_000, []) == (published.accepted + published.duplicates, published.refused)
    assert [f"r-{number}" for number in range(5_000)] == logged(own_server.grpc, 5_000)


def test_publishing_outlives_a_cut_connection(connect: Connect, own_server: ServerProcess) -> None:
    """While the network fails, every event is published once, in order."""
    with Proxy(own_server.grpc) as proxy:
        client = connect(proxy.address, timeout=30)

        def interrupted() -> Iterator[Event]:
            for number in range(5_000):
                if number % 1_000 == 999:
                    proxy.cut()
                yield event(f"c-{number}")

        published = client.publish(interrupted(), batch_size=100)

        assert 5_000 == published.accepted + published.duplicates
        assert [f"c-{number}" for number in range(5_000)] == logged(own_server.grpc, 5_000)


def test_a_server_that_is_away_is_told(connect: Connect) -> None:
    """Where no server answers, publishing raises ServerUnavailable after the client's timeout."""
    with pytest.raises(msgstate.ServerUnavailable):
        connect(f"127.0.0.1:{free_port()}", timeout=1).publish(events(10, "away"))


def test_a_silent_server_ends_it(connect: Connect) -> None:
    """Where nothing moves for as long as the client's timeout, publishing raises DeadlineExceeded that says so."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(msgstate.DeadlineExceeded, match=f"{address} did not answer in time"):
            connect(address, timeout=0.5).publish(events(10, "silent"))


@pytest.mark.parametrize("error", [KeyError("theirs"), msgstate.ServerUnavailable("theirs")])
def test_the_callers_own_error_comes_out(client: Client, message_id: str, error: Exception) -> None:
    """What the events or `on_batch` raise comes out as it is, and nothing is tried again."""

    def failing() -> Iterator[Event]:
        yield event(message_id)
        raise error

    def fail(_: PublishedBatch) -> None:
        raise error

    with pytest.raises(type(error), match="theirs"):
        client.publish(failing())
    with pytest.raises(type(error), match="theirs"):
        client.publish([event(message_id)], on_batch=fail)


@pytest.mark.parametrize("batch_size", [0, 1_001])
def test_a_batch_size_out_of_range_is_refused(client: Client, batch_size: int) -> None:
    """A batch size that the server would not take raises ValueError."""
    with pytest.raises(ValueError, match="batch_size"):
        client.publish([], batch_size=batch_size)


def test_an_event_is_taken_from_what_is_asynchronous(shared_server: ServerProcess, message_id: str) -> None:
    """An AsyncClient takes an asynchronous iterable, and waits for an asynchronous `on_batch`."""
    told: list[int] = []

    async def source() -> AsyncIterator[Event]:
        for each in events(10, message_id):
            yield each

    async def on_batch(batch: PublishedBatch) -> None:
        told.append(batch.first_index)

    async def publish() -> Published:
        async with AsyncClient(shared_server.grpc) as client:
            return await client.publish(source(), batch_size=5, on_batch=on_batch)

    loop = Loop()
    try:
        published: Published = loop.run(publish())
    finally:
        loop.close()

    assert (10, [0, 5]) == (published.accepted, told)
