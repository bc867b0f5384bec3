"""Read, then watch: while thousands of events a second arrive, a reader that goes on from its token misses nothing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from msgstate.v1 import log_pb2, status_pb2
from msgstate.v1 import message_status_service_pb2 as pb
from msgstate_server.app import Service
from tests.rpc.lists import listed, page, pages
from tests.rpc.running import DEADLINE, Client, eventually
from tests.rpc.samples import ACCEPTED, BOUNCED, DELIVERED, OPENED, SENT, event

pytestmark = pytest.mark.asyncio(loop_scope="session")

STEPS = (ACCEPTED, SENT, DELIVERED, OPENED, BOUNCED)
WRITERS, BATCHES, MESSAGES = 2, 8, 60
ALL = WRITERS * BATCHES * MESSAGES
Versions = dict[str, int]
"""The version that is known of each message."""


@asynccontextmanager
async def writers(client: Client) -> AsyncIterator[list[str]]:
    """Publish every step of all messages; gives the messages known so far, and ends when all was published."""
    known: list[str] = []

    async def write(own: int) -> None:
        for batch in range(BATCHES):
            names = [f"m{own}-{batch}-{number}" for number in range(MESSAGES)]
            for step in STEPS:
                await client.publish(*(event(name, step) for name in names))
                known.extend(names if step == ACCEPTED else ())

    async with asyncio.TaskGroup() as tasks:
        for own in range(WRITERS):
            tasks.create_task(write(own))
        yield known


async def watched_to_the_end(client: Client, request: pb.WatchTransitionsRequest, end: str) -> list[log_pb2.Transition]:
    """Every transition of a watch until its token is the end's."""
    request.checkpoint_interval.seconds = 1
    responses = await client.watched(request, lambda seen: seen[-1].resume_token == end)
    return [transition for response in responses for transition in response.transitions]


def followed(read: Versions, transitions: list[log_pb2.Transition]) -> Versions:
    """What is known after a read and the watch behind it; fails where a version is missing in between."""
    known = dict(read)
    for transition in transitions:
        version = known.get(transition.message_id, 0)
        assert transition.version <= version + 1, f"{transition.message_id} went from {version} on: one was missed"
        known[transition.message_id] = max(version, transition.version)
    return known


def versions(statuses: list[status_pb2.RecipientStatus]) -> Versions:
    """The version that a list has of each message; none is listed twice."""
    found = {status.message_id: status.version for status in statuses}
    assert len(found) == len(statuses)
    return found


async def test_list_then_watch_misses_no_transition(client: Client) -> None:
    """Lists that begin at any time, and take any number of pages, go on from their first token to the same end."""

    async def read(after: int, size: int) -> tuple[str, Versions]:
        await eventually(lambda: len(known) > after)
        there = set(known)
        responses = [response async for response in pages(client, size)]
        found = versions([status for response in responses for status in response.recipient_statuses])
        assert there <= set(found)
        return responses[0].resume_token, found

    async with writers(client) as known:
        reads = await asyncio.gather(
            *(read(number * ALL // 8, size) for number, size in enumerate((1_000, 100, 50, 7)))
        )
    end = (await client.publish()).resume_token
    final = versions(await listed(client, 1_000))

    assert final == {name: len(STEPS) for name in known}
    for token, found in reads:
        transitions = await watched_to_the_end(client, pb.WatchTransitionsRequest(resume_token=token), end)
        assert followed(found, transitions) == final


async def test_get_then_watch_misses_no_transition(client: Client) -> None:
    """Whenever a message is read, alone or in a batch, a watch from the answer's token has all that came after."""

    async def read(after: int) -> list[tuple[str, Versions]]:
        await eventually(lambda: len(known) > after)
        names = known[-20:]
        single = await client.status(names[-1])
        request = pb.BatchGetMessageStatusesRequest(keys=[pb.MessageKey(message_id=name) for name in names])
        batch = await client.statuses.BatchGetMessageStatuses(request, timeout=DEADLINE)
        statuses = [recipient for result in batch.results for recipient in result.status.recipients]
        return [
            (single.resume_token, versions(list(single.status.recipients))),
            (batch.resume_token, versions(statuses)),
        ]

    async with writers(client) as known:
        reads = await asyncio.gather(*(read(number * ALL // 20) for number in range(12)))
    end = (await client.publish()).resume_token

    for token, found in [each for pair in reads for each in pair]:
        request = pb.WatchTransitionsRequest(resume_token=token, filter=pb.TransitionFilter(message_ids=found))
        transitions = await watched_to_the_end(client, request, end)
        assert followed(found, transitions) == dict.fromkeys(found, len(STEPS))


async def get_token(client: Client) -> str:
    """The token of a message's status."""
    return (await client.status("m")).resume_token


async def batch_token(client: Client) -> str:
    """The token of a batch."""
    request = pb.BatchGetMessageStatusesRequest(keys=[pb.MessageKey(message_id="m")])
    return (await client.statuses.BatchGetMessageStatuses(request, timeout=DEADLINE)).resume_token


async def list_token(client: Client) -> str:
    """The token of a page."""
    return (await page(client)).resume_token


@pytest.mark.parametrize(
    ("read", "name"),
    [(get_token, "read_recipients"), (batch_token, "read_messages"), (list_token, "list_recipients")],
)
async def test_the_token_is_taken_before_the_read(
    service: Service, client: Client, read: Callable[[Client], Awaitable[str]], name: str
) -> None:
    """What is committed while the answer is on its way is not in it, and a watch from its token tells it."""
    await client.publish(event("m", SENT))
    store = service._store  # noqa: SLF001  (the moment between a read and its answer is nowhere else)
    reading = getattr(store, name)

    async def read_then_commit(*asked: object) -> object:
        found = await reading(*asked)
        await client.publish(event("m", DELIVERED))
        return found

    setattr(store, name, read_then_commit)
    token = await read(client)

    responses = await client.watched(
        pb.WatchTransitionsRequest(resume_token=token), lambda seen: seen[-1].phase == pb.WATCH_PHASE_LIVE
    )
    assert [transition.version for response in responses for transition in response.transitions] == [2]
