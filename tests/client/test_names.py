"""Clients whose servers have names, which mean something else from time to time."""

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import msgstate
from msgstate import _servers
from tests.acceptance.server_process import wait_until
from tests.client.conftest import Connect
from tests.client.replicas import Log, Replica
from tests.client.test_replicas import SECONDS, answering, call_until_answered_by
from tests.ports import free_port

NAME = "msgstate.internal:50051"
OTHER = "replica-2:50051"


class Names:
    """Stands in for the system's look-up: the test says what each name means, and at which ports."""

    def __init__(self) -> None:
        self.meant: dict[str, list[str]] = {}
        self.asked = 0
        self.answers = threading.Event()
        """Look-ups wait for it."""
        self.answers.set()

    def look_up(self, host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        """As `socket.getaddrinfo` does."""
        self.asked += 1
        assert self.answers.wait(SECONDS)
        found = self.meant.get(f"{host}:{port}")
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        places = (address.rpartition(":") for address in found)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, int(number))) for ip, _, number in places]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    """What names mean."""
    names = Names()
    monkeypatch.setattr(socket, "getaddrinfo", names.look_up)
    yield names
    names.answers.set()


@pytest.fixture
def make_replica() -> Iterator[Callable[[], Replica]]:
    """Starts servers of one log."""
    log = Log()
    replicas: list[Replica] = []

    def make() -> Replica:
        replicas.append(Replica(log))
        replicas[-1].start()
        return replicas[-1]

    yield make
    for replica in replicas:
        replica.kill()


@pytest.mark.parametrize("target", [NAME, f"dns:///{NAME}"])
def test_calls_go_to_all_that_a_name_means(
    connect: Connect, names: Names, make_replica: Callable[[], Replica], target: str
) -> None:
    """Calls go to every server that the name leads to."""
    first, second = make_replica(), make_replica()
    names.meant[NAME] = [first.address, second.address]

    call_until_answered_by(connect(target), first, second)


def test_names_and_addresses_go_together(
    connect: Connect, names: Names, make_replica: Callable[[], Replica], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a list of names and IP addresses all are used, and a name that is not known yet holds up nobody."""
    monkeypatch.setattr(_servers, "REFRESH_SECONDS", 0)
    first, second, third = make_replica(), make_replica(), make_replica()
    names.meant[NAME] = [second.address]
    client = connect(f"{NAME},{first.address},{OTHER}", timeout=SECONDS)
    call_until_answered_by(client, first, second)

    names.meant[OTHER] = [third.address]
    first.kill()
    call_until_answered_by(client, second, third)


def test_what_a_name_means_now_is_found_after_a_loss(
    connect: Connect, names: Names, make_replica: Callable[[], Replica]
) -> None:
    """Where a server is lost and its name leads elsewhere, calls go there, and none fails."""
    lost, found = make_replica(), make_replica()
    names.meant[NAME] = [lost.address]
    client = connect(NAME)
    assert lost.address == answering(client)

    names.meant[NAME] = [found.address]
    lost.kill()
    assert found.address == answering(client)


def test_servers_that_are_new_get_their_share(
    connect: Connect, names: Names, make_replica: Callable[[], Replica], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name is looked up again though nothing is lost, and in the meantime nobody waits for it."""
    monkeypatch.setattr(_servers, "REFRESH_SECONDS", 0)
    first, second = make_replica(), make_replica()
    names.meant[NAME] = [first.address]
    client = connect(NAME)
    answering(client)

    names.answers.clear()
    names.meant[NAME] = [first.address, second.address]
    assert [first.address] * 5 == [answering(client) for _ in range(5)]
    names.answers.set()
    call_until_answered_by(client, first, second)


def test_names_that_stay_the_same_are_not_connected_to_anew(
    connect: Connect, names: Names, make_replica: Callable[[], Replica], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same servers in another order, and a look-up that fails, change nothing: a call under way is not cut off."""
    monkeypatch.setattr(_servers, "REFRESH_SECONDS", 0)
    first, second = make_replica(), make_replica()
    names.meant[NAME] = [first.address, second.address]
    client = connect(NAME, retry=False)
    call_until_answered_by(client, first, second)

    for meant in ([second.address, first.address], []):
        names.meant[NAME] = meant
        asked = names.asked
        wait_until(lambda asked=asked: bool(answering(client)) and names.asked > asked + 1, SECONDS, "asked")  # type: ignore[misc]
        assert {first.address, second.address} == {answering(client) for _ in range(2)}


def test_a_name_that_is_not_known_is_waited_for(
    connect: Connect, names: Names, make_replica: Callable[[], Replica]
) -> None:
    """While the name is not known calls are tried again up to the deadline; the error says what the system says."""
    client = connect(NAME, timeout=0.5)
    with pytest.raises(msgstate.ServerUnavailable, match=rf"{NAME}: is the name right\? .*: Name or service not known"):
        client.get_status("m")

    replica = make_replica()
    naming = threading.Timer(0.2, names.meant.update, [{NAME: [replica.address]}])
    naming.start()
    assert replica.address == client.get_status("m", timeout=SECONDS).resume_token
    naming.join()


def test_a_look_up_that_takes_too_long_ends_at_the_deadline(connect: Connect, names: Names) -> None:
    """Where the system does not answer, the call's deadline holds."""
    names.answers.clear()

    with pytest.raises(msgstate.DeadlineExceeded, match=NAME):
        connect(NAME, timeout=0.2).get_status("m")


def test_close_ends_a_call_that_waits_for_a_name(connect: Connect, names: Names) -> None:
    """A client that is closed while a call waits for a look-up ends the call."""
    names.answers.clear()
    client = connect(NAME, timeout=SECONDS)
    closing = threading.Timer(0.2, client.close)
    closing.start()

    with pytest.raises(msgstate.ClientClosed):
        client.get_status("m")
    closing.join()


def test_a_real_name_is_looked_up(connect: Connect, make_replica: Callable[[], Replica]) -> None:
    """The system's own names are known, also where only one of the addresses behind a name has a server."""
    replica = make_replica()
    client = connect(replica.address.replace("127.0.0.1", "localhost"), f"localhost:{free_port()}", retry=False)

    assert replica.address == answering(client)
