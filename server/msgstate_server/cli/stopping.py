"""What signals do to a command that serves: the first one ends it cleanly and in time, a second one at once."""

import asyncio
import os
import signal
from threading import Timer
from types import FrameType
from typing import Final

import structlog

EXIT_SECONDS: Final = 4.5
"""After the first signal the process ends, whatever holds it up: a disk that does not answer, for one."""
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)

_log = structlog.get_logger("msgstate.cli")


def stop_on_signals() -> asyncio.Event:
    """An event that the first signal sets; call it within the running loop."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def first() -> None:
        last_resort = Timer(EXIT_SECONDS, _exit_anyway)
        last_resort.daemon = True
        last_resort.start()
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, _second)
        stop.set()

    for number in _SIGNALS:
        loop.add_signal_handler(number, first)
    return stop


def _exit_anyway() -> None:
    _log.error("the service did not stop in time; what was not committed was not acknowledged")
    os._exit(1)


def _second(_: int, __: FrameType | None) -> None:
    os._exit(1)
