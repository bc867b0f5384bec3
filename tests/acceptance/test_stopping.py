"""Signals end a process whose loop is held up, as by a disk that does not answer."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import PIPE, Popen, run
from typing import IO

import pytest

from msgstate_server.cli import stopping
from tests.acceptance.server_process import environment

FOR_EVER = 600.0
"""Seconds that no test waits."""
SOON = 0.3
NEVER_STOPPED = "the service did not stop in time; what was not committed was not acknowledged"
UNUSED = """
import asyncio, signal
from msgstate_server.cli.stopping import stop_on_signals

def state() -> list[object]:
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    return [*handlers, signal.pthread_sigmask(signal.SIG_BLOCK, []), signal.set_wakeup_fd(-1)]

async def enter() -> None:
    with stop_on_signals():
        pass

before = state()
asyncio.run(enter())
assert before == state(), state()
"""


@contextmanager
def held_up(exit_seconds: float, errors: int | IO[str] = PIPE) -> Iterator["Popen[str]"]:
    """A process whose loop is held up for ever."""
    command = [sys.executable, "-m", "tests.acceptance.held_up", str(exit_seconds)]
    with Popen(command, stdout=PIPE, stderr=errors, text=True, env=environment()) as process:
        try:
            assert process.stdout is not None
            assert "ready\n" == process.stdout.readline()
            yield process
        finally:
            process.kill()


def test_the_deadline_is_within_five_seconds() -> None:
    """After the first signal a process lasts less than 5 seconds, the line in the log included."""
    assert stopping.EXIT_SECONDS + stopping.LOG_SECONDS < 5


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_ends_it_in_time(number: signal.Signals) -> None:
    """With its loop held up, a process ends at the deadline after the first signal, and its log says why."""
    with held_up(SOON) as process:
        began = time.monotonic()
        process.send_signal(number)
        _, errors = process.communicate(timeout=20)
        seconds = time.monotonic() - began

    assert 1 == process.returncode
    assert seconds >= SOON
    assert NEVER_STOPPED in errors


def test_a_second_signal_ends_it_at_once() -> None:
    """With its loop held up, a process ends with the second signal, whatever the deadline is."""
    with held_up(FOR_EVER) as process:
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)

    assert (1, "") == (process.returncode, errors)


def test_a_log_that_nobody_reads_does_not_keep_it() -> None:
    """A process ends at the deadline where its last line cannot be written, since the pipe that takes it is full."""
    reader, writer = os.pipe()
    with open(reader, "rb"), open(writer, "w", encoding="utf-8") as errors:  # noqa: PTH123  (they are descriptors)
        _fill(writer)
        with held_up(SOON, errors) as process:
            process.send_signal(signal.SIGTERM)

            assert 1 == process.wait(20)


def _fill(pipe: int) -> None:
    os.set_blocking(pipe, False)
    try:
        while True:
            os.write(pipe, b"x" * 4_096)
    except BlockingIOError:
        os.set_blocking(pipe, True)


def test_without_a_signal_everything_is_as_it_was() -> None:
    """Where a service ended by itself, signals do again what they did before."""
    run([sys.executable, "-c", UNUSED], check=True, timeout=20, env=environment())
