"""Quarantine reads bodies beside the loop: some are made to take long."""

import threading

import pytest

from msgstate_server.domain.decision import Intake, Payload, Problem
from msgstate_server.ingest import Quarantine
from tests.builders import payload, submission
from tests.unit.ingest.conftest import CountingStore, running


@pytest.mark.parametrize("what", ["show", "replay"])
async def test_a_body_is_read_anew_beside_the_loop(store: CountingStore, what: str) -> None:
    """What is shown or replayed is read in a thread of its own, so that nobody waits for it."""
    await store.append([submission(payload=payload(b"odd"), problems=[Problem("", "odd")])])
    threads: list[threading.Thread] = []

    def take_in(read: Payload) -> Intake:
        threads.append(threading.current_thread())
        return Intake(submission(payload=read), [], 0)

    async with running(store) as ingest:
        await getattr(Quarantine(store, ingest, take_in), what)(1)

    assert [False] == [thread is threading.current_thread() for thread in threads]
