"""A process whose loop is held up for ever: held_up.py EXIT_SECONDS; run it with `python -m`.

It prints a line once signals are obeyed and the loop is about to be held up, within the system and not in Python.
"""

import asyncio
import ctypes
import sys

from msgstate_server.cli import stopping
from msgstate_server.telemetry import configure_logging


async def _hold_up() -> None:
    with stopping.stop_on_signals():
        print("ready", flush=True)  # noqa: T201
        ctypes.CDLL(None).sleep(600)


if __name__ == "__main__":
    configure_logging()
    setattr(stopping, "EXIT_SECONDS", float(sys.argv[1]))  # noqa: B010  (it is final elsewhere)
    asyncio.run(_hold_up())
