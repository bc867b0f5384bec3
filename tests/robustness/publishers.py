"""Senders of events, by all three ways in. Each repeats a batch until it is acknowledged, as a sender must."""

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator
from typing import Final, TypeAlias

import grpc
import httpx

from msgstate.v1 import event_service_pb2 as pb
from msgstate.v1 import event_service_pb2_grpc
from tests.robustness.clients import CALL_SECONDS, PAUSE_SECONDS, Servers, pause, retry_seconds, status_of
from tests.robustness.history import Attempt, Fact, History, now
from tests.robustness.mail import Mail, webhook, write_event
from tests.robustness.server import CREDENTIALS

_LARGEST_BATCH: Final = 24
_SMALL_BATCH: Final = 4
_BATCHES_OF_A_STREAM: Final = 12
_STREAM_SECONDS: Final = 10.0
_BETWEEN_BATCHES: Final = 0.12
_WANDERING: Final = 0.1
"""The share of batches before which a publisher goes to another server."""
_ACCEPTED: Final = pb.DISPOSITION_ACCEPTED

Stub: TypeAlias = "event_service_pb2_grpc.EventServiceAsyncStub"


class Publisher:
    """What all of them share: batches to send, what was sent, and the record of every attempt."""

    def __init__(self, name: str, provider: str, mail: Mail, history: History, chosen: random.Random) -> None:
        self._name = name
        self._provider = provider
        self._mail = mail
        self._history = history
        self._chosen = chosen
        self._sent: list[Fact] = []
        self.last_position = 0
        """Of the last event that was acknowledged with its position."""

    def batch(self) -> tuple[Fact, ...]:
        """The next events."""
        return self._mail.batch(self._provider, self._chosen.randrange(1, _LARGEST_BATCH), self._sent)

    def begin(self, facts: tuple[Fact, ...]) -> Attempt:
        """Note that a batch goes out: whatever comes of it, it may have arrived."""
        attempt = Attempt(self._name, facts, now())
        self._history.attempts.append(attempt)
        return attempt

    def failed(self, attempt: Attempt, error: str) -> None:
        """Note that its outcome is unknown."""
        attempt.end, attempt.error = now(), error

    def acknowledged(self, attempt: Attempt, new: int, known: int) -> None:
        """Note that it is durable."""
        attempt.end, attempt.new, attempt.known = now(), new, known
        self._sent.extend(attempt.facts)


class Calling(Publisher):
    """Publishes a batch a call."""

    async def run(self, servers: Servers, stopping: asyncio.Event) -> None:
        """Publish until told to stop."""
        async with servers.connected():
            while not stopping.is_set():
                servers.wander(_WANDERING)
                await self.publish_once(servers)
                await pause(stopping, _BETWEEN_BATCHES)

    async def publish_once(self, servers: Servers) -> None:
        """Publish one batch, again and again until it is acknowledged."""
        facts = self.batch()
        while not await self.publish(servers, facts):
            servers.move()

    async def publish(self, servers: Servers, facts: tuple[Fact, ...]) -> bool:
        """One attempt; gives whether it was acknowledged."""
        stub: Stub = event_service_pb2_grpc.EventServiceStub(servers.channel)
        request = pb.PublishEventsRequest()
        for fact in facts:
            write_event(request.events.add(), fact)
        attempt = self.begin(facts)
        try:
            response = await stub.PublishEvents(request, timeout=CALL_SECONDS, wait_for_ready=not servers.are_several)
        except grpc.aio.AioRpcError as error:
            self.failed(attempt, status_of(error))
            await asyncio.sleep(retry_seconds(error))
            return False
        attempt.positions = tuple(result.position for result in response.results)
        attempt.accepted = tuple(result.disposition == _ACCEPTED for result in response.results)
        new = sum(attempt.accepted)
        known = sum(result.disposition == pb.DISPOSITION_DUPLICATE for result in response.results)
        self.acknowledged(attempt, new, known)
        self.last_position = attempt.positions[-1]
        return True


class Doubling(Calling):
    """Publishes each batch to two servers at once, as one does who cannot wait for the first to fail.

    Of known recipients, since a new one has the second server wait before it looks at anything.
    """

    def batch(self) -> tuple[Fact, ...]:
        """The next events."""
        return self._mail.busy(self._chosen.randrange(1, _SMALL_BATCH))

    async def publish_once(self, servers: Servers) -> None:
        """Publish one batch, again and again until it is acknowledged by either."""
        facts = self.batch()
        while True:
            attempts = []
            for _ in range(2):
                attempts.append(asyncio.create_task(self.publish(servers, facts)))
                # It takes its channel before it first waits.
                await asyncio.sleep(0)
                servers.move()
            if any(await asyncio.gather(*attempts)):
                return


class Streaming(Publisher):
    """Publishes batches over streams of some length; what was not acknowledged goes into the next stream."""

    async def run(self, servers: Servers, stopping: asyncio.Event) -> None:
        """Publish until told to stop."""
        left: deque[tuple[Fact, ...]] = deque()
        async with servers.connected():
            while left or not stopping.is_set():
                while not stopping.is_set() and len(left) < _BATCHES_OF_A_STREAM:
                    left.append(self.batch())
                servers.wander(_WANDERING)
                await self._stream(servers, left)

    async def _stream(
        self,
        servers: Servers,
        left: deque[tuple[Fact, ...]],
    ) -> None:
        stub: Stub = event_service_pb2_grpc.EventServiceStub(servers.channel)
        waiting: deque[Attempt] = deque()
        over = asyncio.Event()
        requests = self._requests(list(left), waiting, over)
        call = stub.StreamEvents(requests, timeout=_STREAM_SECONDS, wait_for_ready=not servers.are_several)
        try:
            async for response in call:
                attempt = waiting.popleft()
                left.popleft()
                self.acknowledged(attempt, response.accepted, response.duplicates)
        except grpc.aio.AioRpcError as error:
            over.set()
            for attempt in waiting:
                self.failed(attempt, status_of(error))
            servers.move()
            await asyncio.sleep(retry_seconds(error))
        finally:
            over.set()
            call.cancel()

    async def _requests(
        self, batches: list[tuple[Fact, ...]], waiting: deque[Attempt], over: asyncio.Event
    ) -> AsyncIterator[pb.StreamEventsRequest]:
        for number, facts in enumerate(batches):
            request = pb.StreamEventsRequest(batch_id=number)
            for fact in facts:
                write_event(request.events.add(), fact)
            if over.is_set():
                return
            waiting.append(self.begin(facts))
            yield request
            await pause(over, _BETWEEN_BATCHES)


class Posting(Publisher):
    """Posts webhooks as CloudMailin does."""

    async def run(self, servers: Servers, stopping: asyncio.Event) -> None:
        """Post until told to stop."""
        user, _, password = CREDENTIALS.partition(":")
        async with httpx.AsyncClient(auth=(user, password), timeout=CALL_SECONDS, trust_env=False) as client:
            while not stopping.is_set():
                servers.wander(_WANDERING)
                facts = self.batch()
                while not await self._post(client, servers, facts):
                    servers.move()
                await pause(stopping, _BETWEEN_BATCHES)

    async def _post(self, client: httpx.AsyncClient, servers: Servers, facts: tuple[Fact, ...]) -> bool:
        attempt = self.begin(facts)
        try:
            response = await client.post(f"http://{servers.address}/webhooks/cloudmailin", json=webhook(facts))
        except httpx.HTTPError as error:
            self.failed(attempt, type(error).__name__)
        else:
            if response.is_success:
                counts = response.json()
                self.acknowledged(attempt, counts["accepted"], counts["duplicates"])
                return True
            self.failed(attempt, f"HTTP {response.status_code}")
        await asyncio.sleep(PAUSE_SECONDS)
        return False
