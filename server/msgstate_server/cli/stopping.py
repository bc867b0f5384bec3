"""What signals do to a command that serves: the first one ends it cleanly and in time, a second one at once."""

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread
from typing import Final

import structlog

EXIT_SECONDS: Final = 4.0
"""After the first signal the process ends, whatever holds it up: a disk that does not answer, for one."""
LOG_SECONDS: Final = 0.2
"""How long the line about that may take: nobody may be reading it."""
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)

_log = structlog.get_logger("msgstate.cli")


@contextmanager
def stop_on_signals() -> Iterator[asyncio.Event]:
    """An event that the first signal sets; enter it within the running loop, in the main thread.

    A thread obeys the signals, so that a loop that is held up defeats neither. Once one came, it does so to the end of
    the process.
    """
    stop = asyncio.Event()
    with _signals_as_bytes(stop) as reader:
        Thread(target=_obey, args=(reader, asyncio.get_running_loop(), stop), daemon=True).start()
        yield stop


@contextmanager
def _signals_as_bytes(stop: asyncio.Event) -> Iterator[socket.socket]:
    """Where each signal can be read as a byte; taken back unless `stop` is set in the end."""
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    before = {number: signal.signal(number, lambda _, __: None) for number in _SIGNALS}
    wakeup = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    # A thread that sleeps in the kernel, as this one may, would keep what is sent to the process to itself.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield reader
    finally:
        if stop.is_set():
            writer.detach()
        else:
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            writer.close()


def _obey(reader: socket.socket, loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    with reader:
        if not reader.recv(1):
            return
        # A loop that is closed has ended by itself.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(stop.set)
        reader.settimeout(EXIT_SECONDS)
        try:
            reader.recv(1)
        except TimeoutError:
            _say_that_it_did_not_stop()
        os._exit(1)


def _say_that_it_did_not_stop() -> None:
    line = "the service did not stop in time; what was not committed was not acknowledged"
    saying = Thread(target=_log.error, args=(line,), daemon=True)
    saying.start()
    saying.join(LOG_SECONDS)
