"""The servers of one client: what its addresses lead to now."""

import math
import socket
import time
from collections.abc import Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from itertools import chain
from threading import Thread
from typing import Final

from msgstate._addresses import Address, Target, read_addresses, target_of

REFRESH_SECONDS: Final = 10.0
"""How often names are looked up while all goes well, so that servers that are new get their share."""


class Servers:
    """Knows the target to connect to, and looks names up again: after a lost call, and from time to time.

    gRPC itself looks a name up again only when a connection is lost, and takes one name, not several. A look-up has a
    thread of its own, since the system takes as long as it likes over it; once something is known, nobody waits for it.
    The methods are for one thread at a time.
    """

    def __init__(self, given: Sequence[str]) -> None:
        """Read the addresses; raises ValueError."""
        self.text = ",".join(given)
        self.target: Target | None = None
        """None as long as nothing is known of any name."""
        self.failure = ""
        """Why nothing is."""
        read = read_addresses(given)
        self._addresses = [] if isinstance(read, str) else read
        self._names = [address for address in self._addresses if address.is_name]
        self._found = {address: [address] for address in self._addresses if not address.is_name}
        self._looking: Future[None] | None = None
        self._looked = -math.inf
        if isinstance(read, str):
            self.target = Target(self.text, read, "", 1)
        elif self._found:
            self._settle()

    @property
    def count(self) -> int:
        """How many there are to try."""
        return self.target.servers if self.target else 1

    def refresh(self) -> None:
        """Look up in the background what was not looked up for a while."""
        if time.monotonic() >= self._looked + REFRESH_SECONDS:
            self.look_up()

    def look_up(self) -> Future[None]:
        """Look every name up, unless that is being done; the future ends with it, whatever was found."""
        if self._looking is None or self._looking.done():
            self._looked = time.monotonic()
            self._looking = Future()
            if self._names:
                Thread(target=self._look_up, args=(self._looking,), name="msgstate names", daemon=True).start()
            else:
                self._looking.set_result(None)
        return self._looking

    def close(self) -> None:
        """Let nobody wait any longer."""
        if self._looking is not None:
            _end(self._looking)

    def _look_up(self, looking: Future[None]) -> None:
        failures = []
        for name in self._names:
            try:
                self._found[name] = _ask(name)
            except OSError as failure:
                # What it meant before is a better guess than nothing.
                failures.append(f"{name.host}: {failure.strerror}")
        self.failure = "; ".join(failures)
        if self._found:
            self._settle()
        _end(looking)

    def _settle(self) -> None:
        found = chain.from_iterable(self._found.get(address, []) for address in self._addresses)
        self.target = target_of(self.text, self._addresses[0], list(found))


def _ask(name: Address) -> list[Address]:
    found = socket.getaddrinfo(name.host, name.port, type=socket.SOCK_STREAM)
    # The order changes from answer to answer, and a new order must not pass for new servers.
    return sorted(Address(str(place[0]), int(place[1])) for *_, place in found)


def _end(looking: Future[None]) -> None:
    # The thread and `close` may both be there.
    with suppress(InvalidStateError):
        looking.set_result(None)
