"""Copies in a process that dies at a place: `python -m tests.copying.killed SOURCE DEST BATCH PLACE COUNT`."""

import asyncio
import os
import signal
import sys

from msgstate_server.failpoints import arm
from tests.copying.conftest import copied


def main() -> None:
    """Die where the place is reached for the COUNTth time; a copy that ends before it exits with 0."""
    source, dest, batch, place, count = sys.argv[1:]
    left = int(count)

    def reached() -> None:
        nonlocal left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    arm(place, reached)
    asyncio.run(copied(source, dest, int(batch)))


if __name__ == "__main__":
    main()
