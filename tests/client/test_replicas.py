"""One client of several servers that share a log, while they come and go."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

import msgstate
from msgstate import EARLIEST, Client
from tests.acceptance.server_process import ServerProcess, wait_until
from tests.client.conftest import Connect
from tests.client.replicas import Log, Replica
from tests.client.samples import event
from tests.ports import free_port

SECONDS = 30
ROUNDS = range(3)


@pytest.fixture
def log() -> Log:
    """The log of all replicas."""
    return Log()


@pytest.fixture
def replicas(log: Log) -> Iterator[list[Replica]]:
    """Three servers of one log."""
    replicas = [Replica(log) for _ in range(3)]
    start_all(replicas)
    yield replicas
    for replica in replicas:
        replica.kill()


def addresses(replicas: list[Replica]) -> str:
    """Theirs, in one string."""
    return ",".join(replica.address for replica in replicas)


def start_all(replicas: list[Replica]) -> None:
    """Start each."""
    for replica in replicas:
        replica.start()


def answering(client: Client) -> str:
    """The address of the server that answers a call."""
    return client.get_status("m").resume_token


def call_until_answered_by(client: Client, *replicas: Replica) -> None:
    """Call until each of these has answered, and let no call fail."""
    before = {replica: replica.answered for replica in replicas}

    def is_done() -> bool:
        answering(client)
        return all(replica.answered > before[replica] for replica in replicas)

    wait_until(is_done, SECONDS, "answers from all of them")


def test_calls_go_to_every_server(connect: Connect, replicas: list[Replica]) -> None:
    """Calls of one client go to every server in turn, whether its addresses come in one string or one by one."""
    for client in (connect(addresses(replicas)), connect(*(replica.address for replica in replicas))):
        call_until_answered_by(client, *replicas)
        assert {replica.address for replica in replicas} == {answering(client) for _ in replicas}


def test_a_server_that_is_away_costs_nothing(connect: Connect, replicas: list[Replica]) -> None:
    """Where one of two servers is not there, not even a call without retries fails."""
    client = connect(f"127.0.0.1:{free_port()}, {replicas[0].address}", retry=False)

    assert [replicas[0].address] * 20 == [answering(client) for _ in range(20)]


def test_a_call_outlives_its_server(connect: Connect, replicas: list[Replica]) -> None:
    """A call whose server is killed under it is answered by another one."""
    killed, *others = replicas
    client = connect(addresses(replicas), timeout=SECONDS)
    call_until_answered_by(client, *replicas)
    for replica in replicas:
        replica.hold()

    with ThreadPoolExecutor(len(replicas)) as threads:
        calls = [threads.submit(answering, client) for _ in replicas]
        wait_until(lambda: all(replica.held for replica in replicas), SECONDS, "each holds a call")
        killed.kill()
        for replica in others:
            replica.release()
        answered = {call.result() for call in calls}

    assert answered <= {replica.address for replica in others}


def test_no_call_fails_while_servers_are_replaced(connect: Connect, replicas: list[Replica]) -> None:
    """No call fails while one server after the other is killed and started again, and each gets its share again."""
    client = connect(addresses(replicas))
    for replica in replicas:
        call_until_answered_by(client, *replicas)
        replica.kill()
        call_until_answered_by(client, *(other for other in replicas if other is not replica))
        replica.start()
        call_until_answered_by(client, replica)


def test_a_server_that_drains_is_left_before_it_refuses(connect: Connect, replicas: list[Replica]) -> None:
    """Once a server says that it drains calls go to the others, so that none is refused; back again it is used."""
    draining = replicas[0]
    client = connect(addresses(replicas), retry=False)
    call_until_answered_by(client, *replicas)
    draining.drain()

    wait_until(lambda: draining.address not in {answering(client) for _ in replicas}, SECONDS, "it is left")
    draining.kill()
    draining.start()
    call_until_answered_by(client, draining)


def test_a_refusal_is_answered_elsewhere_at_once(connect: Connect, replicas: list[Replica]) -> None:
    """A call that a draining server refuses is answered by another one, though it asks for an hour's patience."""
    draining = replicas[0]
    client = connect(addresses(replicas))
    call_until_answered_by(client, *replicas)
    draining.refuse()

    assert draining.address not in {answering(client) for _ in range(9)}
    assert 1 == draining.refused


def test_a_watch_moves_from_server_to_server(connect: Connect, replicas: list[Replica], log: Log) -> None:
    """While one server after the other drains and is replaced, a watch goes on elsewhere without a gap or a repeat."""
    positions = count(1)
    with connect(addresses(replicas)).watch(EARLIEST) as watch:
        for _ in ROUNDS:
            serving = next(replica for replica in replicas if replica.watching)
            for drains in (False, True):
                if drains:
                    serving.refuse()
                for position in (next(positions), next(positions)):
                    log.append()
                    assert position == next(watch).position
            serving.kill()
            serving.start()


def test_a_watch_finds_a_server_that_comes_back(connect: Connect, log: Log) -> None:
    """Where servers end old connections, a watch moves to one that was away and is back, and misses nothing."""
    one, other = [
        Replica(log, ("grpc.max_connection_age_ms", 500), ("grpc.max_connection_age_grace_ms", 200)) for _ in range(2)
    ]
    one.start()
    try:
        with connect(one.address, other.address).watch(EARLIEST) as watch:
            positions = count(1)

            def goes_on() -> bool:
                log.append()
                assert next(positions) == next(watch).position
                return bool(other.watching)

            goes_on()
            other.start()
            wait_until(goes_on, SECONDS, "it is there")
    finally:
        one.kill()
        other.kill()


def test_where_all_are_away_the_deadline_holds(connect: Connect) -> None:
    """Where none of several servers is there a call ends at its deadline, with an error that names every address."""
    named = f"127.0.0.1:{free_port()},127.0.0.1:{free_port()}"
    client = connect(named, timeout=0.5)

    with pytest.raises(msgstate.ServerUnavailable, match=named):
        client.get_status("m")
    with pytest.raises(msgstate.ServerUnavailable, match=named), client.watch():
        pass


def test_where_none_serves_that_is_told(connect: Connect, replicas: list[Replica]) -> None:
    """Where all servers are there and say that they do not serve, the error says so; once one does it is used."""
    client = connect(addresses(replicas))
    call_until_answered_by(client, *replicas)
    for replica in replicas:
        replica.drain()

    def is_left() -> bool:
        try:
            client.get_status("m", timeout=0.5)
        except msgstate.ServerUnavailable as error:
            return "cannot reach their database" in str(error) and addresses(replicas) in str(error)
        return False

    wait_until(is_left, SECONDS, "the error says why")
    replicas[0].recover()
    assert replicas[0].address == answering(client)


def test_all_may_be_away_for_a_while(connect: Connect, replicas: list[Replica]) -> None:
    """A client outlives the loss of all its servers, and then uses all of them again."""
    client = connect(addresses(replicas), timeout=SECONDS)
    call_until_answered_by(client, *replicas)
    for replica in replicas:
        replica.kill()
    starting = threading.Timer(0.3, start_all, [replicas])
    starting.start()

    call_until_answered_by(client, *replicas)
    starting.join()


def test_no_call_fails_while_msgstate_itself_is_replaced(
    connect: Connect, make_server: Callable[[str], ServerProcess]
) -> None:
    """Two servers are stopped and started again one after the other: what is published meanwhile is in one of them."""
    servers = [make_server("first"), make_server("second")]
    client = connect(*(server.grpc for server in servers))
    published: list[str] = []

    def publish() -> None:
        published.append(f"m{len(published)}")
        client.publish_batch([event(published[-1])])

    def kept(server: ServerProcess) -> set[str]:
        with Client(server.grpc) as direct:
            return {status.message_id for status in direct.list_statuses()}

    def publish_to(server: ServerProcess) -> bool:
        before = kept(server)
        publish()
        return kept(server) > before

    for server in servers:
        for each in servers:
            wait_until(lambda each=each: publish_to(each), SECONDS, "each gets some")  # type: ignore[misc]
        with ThreadPoolExecutor(1) as threads:
            stopping = threads.submit(server.terminate)
            while not stopping.done():
                publish()
        assert 0 == stopping.result(), server.log()
        server.start()
        wait_until(lambda server=server: publish_to(server), SECONDS, "it gets some again")  # type: ignore[misc]

    assert set(published) == set.union(*map(kept, servers))
