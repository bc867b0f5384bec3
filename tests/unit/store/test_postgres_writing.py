"""Servers that write beside each other never wait for each other in a circle, which costs a second to find out."""

import asyncio
from collections.abc import Sequence

import pytest

from msgstate_server.domain.decision import Problem, Submission
from msgstate_server.store.postgres import PostgresStore, writer
from tests.builders import Clock, payload, submission

ROUNDS = 20
PROBLEMS = [Problem("", "ends early")]


def bodies(numbers: Sequence[int], problems: Sequence[Problem]) -> list[Submission]:
    """Webhooks of which nothing is understood."""
    return [submission(payload=payload(str(number).encode()), problems=problems) for number in numbers]


async def test_the_same_bodies_at_two_servers(postgres_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Webhooks that come to two servers in another order go to quarantine side by side, listed as they came."""
    undone: list[int] = []

    async def pause(tries: int) -> None:
        undone.append(tries)

    monkeypatch.setattr(writer, "pause", pause)
    one, other = [await PostgresStore.open(postgres_dsn, Clock()) for _ in range(2)]
    try:
        for number in range(ROUNDS):
            numbers = range(20 * number, 20 * number + 20)
            await asyncio.gather(one.append(bodies(numbers, PROBLEMS)), other.append(bodies(numbers[::-1], PROBLEMS)))
            changed = [Problem("", f"{number}")]
            await asyncio.gather(one.append(bodies(numbers, changed)), other.append(bodies(numbers[::-1], changed)))
        page = await one.list_quarantine("", False, None, 1_000)
        await one.append(bodies([10_000, 10_003, 10_001, 10_002], PROBLEMS))
        found = [
            await one.read_quarantined(each.id) for each in (await one.list_quarantine("", False, None, 4)).payloads
        ]
    finally:
        await one.close()
        await other.close()

    assert undone == []
    assert len(page.payloads) == 20 * ROUNDS
    assert [each[1].body for each in found if each] == [b"10002", b"10001", b"10003", b"10000"]
