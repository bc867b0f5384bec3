"""What signals do to a command that serves: the first one ends it cleanly, a second one at once."""

import asyncio
import os
import signal
from types import FrameType
from typing import Final

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


def stop_on_signals() -> asyncio.Event:
    """An event that the first signal sets; call it within the running loop."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def first() -> None:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, _second)
        stop.set()

    for number in _SIGNALS:
        loop.add_signal_handler(number, first)
    return stop


def _second(_: int, __: FrameType | None) -> None:
    os._exit(1)
