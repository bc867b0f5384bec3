"""Bodies that are made to take long: one client must not hold up the others."""

import asyncio
import json
import threading
import tracemalloc
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import httpx
import pytest

from msgstate_server.domain.decision import Intake, Outcome, Payload, Submission
from msgstate_server.domain.limits import WEBHOOK_BYTES
from msgstate_server.webhooks import app
from msgstate_server.webhooks.credentials import Credentials
from msgstate_server.webhooks.intake import take_in
from tests.webhooks.conftest import RecordedIngest
from tests.webhooks.costly import COSTLY, READ_WHOLE
from tests.webhooks.samples import NOW, cloudmailin, emailit_v2

LARGE = app.READ_INLINE_BYTES + 1
BODIES = app.READERS + 2
"""More than are read at a time."""


def taken_in(body: bytes) -> tuple[Intake, float]:
    """What a body of Emailit's holds, and how many times its own size it took to find out."""
    assert len(body) <= WEBHOOK_BYTES
    payload = Payload("emailit", "", NOW, body)
    tracemalloc.start()
    try:
        return take_in(payload), tracemalloc.get_traced_memory()[1] / len(body)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", COSTLY)
def test_of_a_body_made_to_take_long_little_is_made(kind: str) -> None:
    """The largest body of nothing but brackets, texts or numbers is refused before it is millions of values."""
    intake, sizes = taken_in(COSTLY[kind])

    assert len(intake.submission.problems) == 1
    assert sizes < (5 if kind in READ_WHOLE else 2.5)


def test_metadata_beyond_all_room_is_not_looked_at_for_each_recipient() -> None:
    """An email to 50 recipients with 300,000 pairs of metadata gives each as many as fit, marked as cut."""
    meta = {f"{number:x}": "v" for number in range(300_000)}
    part = emailit_v2("email.accepted", to=[f"{number}@example.com" for number in range(50)])
    part = {**part, "data": None, "object": {**part["object"], "meta": meta}}

    intake, sizes = taken_in(json.dumps([part]).encode())

    found = [candidate.event.attributes.metadata for candidate in intake.submission.candidates]
    assert [29 + 1] * 50 == [len(metadata) for metadata in found]
    assert all(metadata["msgstate.cut"] == "metadata" for metadata in found)
    assert sizes < 15


Post: TypeAlias = Callable[[int], Coroutine[Any, Any, httpx.Response]]


@asynccontextmanager
async def posting(ingest: RecordedIngest) -> AsyncIterator[Post]:
    """Posts a webhook whose body has so many bytes."""
    credentials = {("cloudmailin", ""): Credentials(basic=("user:password",))}
    transport = httpx.ASGITransport(app.build_app(ingest, credentials, lambda: NOW, lambda: True))
    async with httpx.AsyncClient(transport=transport, base_url="http://msgstate", auth=("user", "password")) as client:
        yield lambda size: client.post("/webhooks/cloudmailin", content=cloudmailin("open").ljust(size))


@pytest.mark.parametrize(("size", "inline"), [(app.READ_INLINE_BYTES, True), (app.READ_INLINE_BYTES + 1, False)])
async def test_a_large_body_is_read_beside_the_loop(size: int, inline: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes long to read is read in a thread of its own, what is quick is not."""
    threads: list[threading.Thread] = []

    def take_in_and_tell(payload: Payload) -> Intake:
        threads.append(threading.current_thread())
        return take_in(payload)

    monkeypatch.setattr(app, "take_in", take_in_and_tell)
    async with posting(RecordedIngest()) as post:
        answer = await post(size)

    assert answer.status_code == 200
    assert [inline] == [thread is threading.current_thread() for thread in threads]


async def test_large_bodies_take_room_while_they_wait_to_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few large bodies are read at a time; those that wait keep the room that they took, then free it."""
    door, reading = threading.Event(), threading.Semaphore(0)

    def take_in_behind_the_door(payload: Payload) -> Intake:
        reading.release()
        assert door.wait(20)
        return take_in(payload)

    monkeypatch.setattr(app, "take_in", take_in_behind_the_door)
    monkeypatch.setattr(app, "HELD_BYTES", BODIES * LARGE)
    async with posting(RecordedIngest()) as post:
        waiting = [asyncio.create_task(post(LARGE)) for _ in range(BODIES)]
        try:
            for _ in range(app.READERS):
                assert await asyncio.to_thread(reading.acquire, timeout=20)
            refused = await post(LARGE)
            assert not reading.acquire(blocking=False)
        finally:
            door.set()
        answers = [await each for each in waiting]

        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert [200] * BODIES == [answer.status_code for answer in answers]
        assert [200] * BODIES == [(await post(LARGE)).status_code for _ in range(BODIES)]


async def test_bodies_take_room_until_they_are_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    """While what was read cannot be committed, no more bodies are taken than there is room for."""
    ingest, committing = RecordedIngest(), asyncio.Event()
    submit = ingest.submit

    async def submit_later(submission: Submission, timeout: float | None = None) -> list[Outcome]:  # noqa: ASYNC109
        committing.set()
        await door.wait()
        return await submit(submission, timeout)

    door = asyncio.Event()
    monkeypatch.setattr(ingest, "submit", submit_later)
    monkeypatch.setattr(app, "HELD_BYTES", 1_000)
    async with posting(ingest) as post:
        first = asyncio.create_task(post(1_000))
        await asyncio.wait_for(committing.wait(), 20)
        refused = await post(1_000)
        door.set()

        assert [200, 503, 200] == [answer.status_code for answer in (await first, refused, await post(1_000))]
