"""Reads the addresses that a client is given, and makes of what they mean the one target that gRPC balances over."""

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, ip_address
from typing import Final, NamedTuple

_MEND: Final = "write HOST:PORT, for example 10.0.0.1:50051 or [fd00::1]:50051, and a comma between several"
_SAME_AS_PLAIN: Final = re.compile("dns:///|dns:(?!//)|ipv4:|ipv6:")
_OTHER_TARGET: Final = re.compile("dns://(?!/)|unix:|unix-abstract:|vsock:|xds:|google-c2p:")
_NAME: Final = re.compile(r"[^\s\0/@:\[\]?#%]+")
_DOTTED: Final = re.compile(r"[0-9.]+")
_PORTS: Final = range(1, 65_536)


class Address(NamedTuple):
    """Where to connect: an IP address, or a name to look up."""

    host: str
    port: int

    @property
    def is_name(self) -> bool:
        """Whether it must be looked up."""
        return _ip(self.host) is None

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Target(NamedTuple):
    """What a channel is opened to."""

    text: str
    """In the words of the caller, for messages."""
    uri: str
    """In the words of gRPC."""
    authority: str
    """What the servers are told that they are called; empty where gRPC knows best."""
    servers: int
    """How many servers it leads to."""


def read_addresses(given: Iterable[str]) -> list[Address] | str:
    """Every address, or the one target of another kind, which only gRPC understands. Raises ValueError."""
    parts = [part.strip() for text in given for part in text.split(",")]
    others = [part for part in parts if _OTHER_TARGET.match(part)]
    if not others:
        return [_address(part) for part in parts]
    if len(parts) > 1:
        raise ValueError(f"{others[0]!r} cannot stand beside other addresses: give it alone, or {_MEND}")
    return others[0]


def target_of(text: str, named: Address, found: Sequence[Address]) -> Target:
    """The target that leads to every IP address found, called by the name of one."""
    unique = list(dict.fromkeys(found))
    ips = [ip_address(address.host) for address in unique]
    if all(isinstance(ip, IPv4Address) for ip in ips):
        return Target(text, f"ipv4:{','.join(map(str, unique))}", str(named), len(unique))
    # One target takes one kind of address, so those of the older kind are written as the newer one.
    mapped = (
        Address(f"::ffff:{ip}" if isinstance(ip, IPv4Address) else str(ip), address.port)
        for ip, address in zip(ips, unique, strict=True)
    )
    # What names the interface of a link-local address comes after a percent sign, which a URI takes for its own.
    return Target(text, f"ipv6:{','.join(map(str, mapped))}".replace("%", "%25"), str(named), len(unique))


def _address(text: str) -> Address:
    plain = _SAME_AS_PLAIN.sub("", text, count=1) if _SAME_AS_PLAIN.match(text) else text
    host, colon, port = plain.rpartition(":")
    if not colon or not re.fullmatch("[0-9]{1,5}", port) or int(port) not in _PORTS:
        raise ValueError(f"{text!r} is no address with a port: {_MEND}")
    in_brackets = host.startswith("[") and host.endswith("]")
    bare = host[1:-1] if in_brackets else host
    if in_brackets != (":" in bare) or not (_ip(bare) or _is_name(bare)):
        raise ValueError(f"{text!r} names no host: {_MEND}")
    return Address(bare, int(port))


def _ip(host: str) -> object | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _is_name(host: str) -> bool:
    """Whether the system can be asked for it: what is none raises all kinds of errors there."""
    try:
        return bool(_NAME.fullmatch(host) and not _DOTTED.fullmatch(host) and host.encode("idna"))
    except UnicodeError:
        return False
