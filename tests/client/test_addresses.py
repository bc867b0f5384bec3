"""What may be given as an address, and the target that becomes of it."""

import pytest

from msgstate import AsyncClient, Client
from msgstate._addresses import Address, read_addresses, target_of

PLAIN = Address("10.0.0.1", 50051)
NAMED = Address("msgstate.internal", 50051)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.1:50051", [PLAIN]),
        ("ipv4:10.0.0.1:50051", [PLAIN]),
        ("msgstate.internal:50051", [NAMED]),
        ("dns:msgstate.internal:50051", [NAMED]),
        ("dns:///msgstate.internal:50051", [NAMED]),
        ("replica_1:1", [Address("replica_1", 1)]),
        ("[fd00::1]:50051", [Address("fd00::1", 50051)]),
        ("ipv6:[fd00::1]:50051", [Address("fd00::1", 50051)]),
        (" 10.0.0.1:50051 , dns:///msgstate.internal:50051 ", [PLAIN, NAMED]),
        ("ipv4:10.0.0.1:50051,10.0.0.2:50052", [PLAIN, Address("10.0.0.2", 50052)]),
        ("unix:/run/msgstate.sock", "unix:/run/msgstate.sock"),
        ("dns://10.0.0.53/msgstate.internal:50051", "dns://10.0.0.53/msgstate.internal:50051"),
    ],
)
def test_an_address_is_read(text: str, expected: list[Address] | str) -> None:
    """Addresses stand alone or with commas between them, plain or as gRPC writes them; what only gRPC knows is kept."""
    assert expected == read_addresses([text])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10.0.0.1:50051,",
        "10.0.0.1:50051,,10.0.0.2:50051",
        "msgstate.internal",
        "msgstate.internal:",
        "msgstate.internal:0",
        "msgstate.internal:65536",
        "msgstate.internal:grpc",
        ":50051",
        "10.0.0.1:50051;10.0.0.2:50051",
        "10.0.0.1:50051 10.0.0.2:50051",
        "10.0.0.256:50051",
        "fd00::1:50051",
        "[10.0.0.1]:50051",
        "[msgstate.internal]:50051",
        "http://msgstate.internal:50051",
        "msgstate..internal:50051",
        "a\0b:50051",
    ],
)
def test_what_is_no_address_is_refused_at_once(text: str) -> None:
    """A client is not made of what is no address, and the error says what was found and how to write one."""
    for client in (Client, AsyncClient):
        with pytest.raises(ValueError, match=r"'.*write HOST:PORT, for example .* comma between several"):
            client(text)


def test_a_target_of_another_kind_stands_alone() -> None:
    """A target that only gRPC understands is refused beside others, with the mend."""
    with pytest.raises(ValueError, match=r"'unix:/run/msgstate\.sock' cannot stand beside .* give it alone, or write"):
        Client("10.0.0.1:50051", "unix:/run/msgstate.sock")


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        (["10.0.0.1"], "ipv4:10.0.0.1:1"),
        (["10.0.0.1", "10.0.0.2", "10.0.0.1"], "ipv4:10.0.0.1:1,10.0.0.2:1"),
        (["fd00::1"], "ipv6:[fd00::1]:1"),
        (["fd00::1", "10.0.0.1"], "ipv6:[fd00::1]:1,[::ffff:10.0.0.1]:1"),
        (["fe80::1%eth0"], "ipv6:[fe80::1%25eth0]:1"),
    ],
)
def test_one_target_leads_to_all(hosts: list[str], expected: str) -> None:
    """Whatever kinds of IP addresses are found, one target takes each of them once."""
    target = target_of("text", NAMED, [Address(host, 1) for host in hosts])

    assert ("text", expected, "msgstate.internal:50051", len(set(hosts))) == target
