"""Ports of 127.0.0.1 on which nobody listens, and that no two tests are given.

Each process that runs tests goes through a range of its own, so that a port where a test expects nobody is not taken
meanwhile by another one's server. All are below those that systems give to outgoing connections, which could take the
port of a server that is stopped.
"""

import os
import re
import secrets
import socket
from contextlib import suppress
from itertools import cycle
from typing import Final

_FIRST: Final = 12_000
_RANGES: Final = 16
_SIZE: Final = 1_250


def own_range() -> range:
    """The ports of this process, told by the number that it has among those that run tests together."""
    worker = re.fullmatch(r"gw(\d+)", os.environ.get("PYTEST_XDIST_WORKER", ""))
    first = _FIRST + (int(worker[1]) % (_RANGES - 1) + 1 if worker else 0) * _SIZE
    return range(first, first + _SIZE)


_own: Final = cycle(own_range())
for _ in range(secrets.randbelow(_SIZE)):
    # So that two runs at a time are not at the same place.
    next(_own)


def free_port() -> int:
    """The next port on which nobody listens."""
    for _ in range(_SIZE):
        port = next(_own)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError(f"no free port in {own_range()}")
