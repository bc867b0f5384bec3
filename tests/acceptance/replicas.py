"""Clients of several replicas: each goes on wherever one answers, and writes down what it was told."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import cycle
from typing import Final

import grpc

from msgstate.v1 import event_pb2, event_service_pb2, log_pb2
from msgstate.v1 import message_status_service_pb2 as pb
from tests.acceptance.test_restart import EARLIEST, transitions
from tests.rpc.running import Client, connected
from tests.rpc.samples import DELIVERED, SENT, event

SECONDS: Final = 60.0
"""How long anything may take that must happen."""
CALL_SECONDS: Final = 30.0
RETRY_SECONDS: Final = 0.02
RECIPIENTS: Final = 5
TAKEN: Final = {event_service_pb2.DISPOSITION_ACCEPTED, event_service_pb2.DISPOSITION_DUPLICATE}

Place = tuple[int, str, str]
"""Where an event stands in the log: position, message and recipient."""


def say(text: str) -> None:
    """Show a figure to who runs the tests with `-s`."""
    print(text)  # noqa: T201


async def until(condition: Callable[[], bool], what: str) -> None:
    """Return once the condition holds; fail where it does not in time."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not within {SECONDS:.0f} s: {what}"
        await asyncio.sleep(0.005)


def batch(message_id: str) -> list[event_pb2.Event]:
    """A message's events: all of them transitions."""
    return [event(message_id, kind, recipient=f"{to}@x") for to in range(RECIPIENTS) for kind in (SENT, DELIVERED)]


def places(seen: Sequence[log_pb2.Transition]) -> list[Place]:
    return [(each.position, each.message_id, each.recipient) for each in seen]


class Publisher:
    """Publishes message after message, each again and again until one of the replicas acknowledges it."""

    def __init__(self, name: str, addresses: Sequence[str]) -> None:
        self._name = name
        self._addresses = addresses
        self.acknowledged: dict[str, list[int]] = {}
        self.times: list[float] = []
        """When each of them was."""
        self.refusals: list[grpc.StatusCode] = []

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until told to stop; what was begun is acknowledged in the end."""
        async with AsyncExitStack() as open_clients:
            clients = cycle([await open_clients.enter_async_context(connected(each)) for each in self._addresses])
            client = next(clients)
            while not stop.is_set():
                message_id = f"{self._name}-{len(self.acknowledged)}"
                while not await self._publish(client, message_id):
                    client = next(clients)
                    await asyncio.sleep(RETRY_SECONDS)

    async def _publish(self, client: Client, message_id: str) -> bool:
        request = event_service_pb2.PublishEventsRequest(events=batch(message_id))
        try:
            response = await client.events.PublishEvents(request, timeout=CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            self.refusals.append(error.code())
            return False
        assert {result.disposition for result in response.results} <= TAKEN
        self.acknowledged[message_id] = [result.position for result in response.results]
        self.times.append(time.monotonic())
        return True

    def places(self) -> list[Place]:
        """Where what was acknowledged must stand."""
        return [
            (position, message_id, sent.recipient)
            for message_id, positions in self.acknowledged.items()
            for position, sent in zip(positions, batch(message_id), strict=True)
        ]

    def first_after(self, moment: float) -> float:
        """How many seconds after a moment the first acknowledgement came; infinite where none did."""
        return next((each - moment for each in self.times if each > moment), float("inf"))


class Follower:
    """Watches the log from its beginning; where a watch ends, it resumes from the last token at the next replica."""

    def __init__(self, addresses: Sequence[str], token: str = "") -> None:
        self._addresses = addresses
        self.token = token
        self.seen: list[log_pb2.Transition] = []
        self.ends: list[grpc.StatusCode] = []
        self.diverged: grpc.aio.AioRpcError | None = None

    @property
    def position(self) -> int:
        """The last position that it has; 0 where it has none."""
        return self.seen[-1].position if self.seen else 0

    async def run(self) -> None:
        """Follow until cancelled, or until told that the log is another one."""
        for address in cycle(self._addresses):
            async with connected(address) as client:
                try:
                    await self._follow(client)
                except grpc.aio.AioRpcError as error:
                    self.ends.append(error.code())
                    if error.code() is grpc.StatusCode.FAILED_PRECONDITION:
                        self.diverged = error
                        return
                    if error.code() is not grpc.StatusCode.UNAVAILABLE:
                        raise
            await asyncio.sleep(RETRY_SECONDS)

    async def _follow(self, client: Client) -> None:
        request = pb.WatchTransitionsRequest(resume_token=self.token) if self.token else EARLIEST
        async for response in client.statuses.WatchTransitions(request):
            self.seen.extend(response.transitions)
            self.token = response.resume_token


@asynccontextmanager
async def following(*followers: Follower) -> AsyncIterator[None]:
    """Let them follow meanwhile."""
    running = [asyncio.create_task(each.run()) for each in followers]
    try:
        yield
        for task in running:
            if task.done():
                task.result()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


class Traffic:
    """Publishers and followers at work."""

    def __init__(self, publishers: Sequence[Publisher], followers: Sequence[Follower]) -> None:
        self.publishers = publishers
        self.followers = followers
        self._stop = asyncio.Event()
        self._publishing = [asyncio.create_task(each.run(self._stop)) for each in publishers]
        self._following = [asyncio.create_task(each.run()) for each in followers]

    async def flows(self, messages: int = 5) -> None:
        """Return when each publisher had so many messages more acknowledged, and each follower has those too."""
        wanted = [len(each.acknowledged) + messages for each in self.publishers]

        def are_acknowledged() -> bool:
            return all(len(each.acknowledged) >= count for each, count in zip(self.publishers, wanted, strict=True))

        await self._until(are_acknowledged, "acknowledged")
        last = max(position for each in self.publishers for position in [*each.acknowledged.values()][-1])
        await self._until(lambda: all(each.position >= last or each.diverged for each in self.followers), "watched")

    async def settle(self) -> None:
        """Let the last messages be acknowledged, and publish no more."""
        self._stop.set()
        async with asyncio.timeout(SECONDS):
            await asyncio.gather(*self._publishing)

    async def prove(self, address: str) -> None:
        """Hold what all were told, once nothing more comes, against the log as a replica has it now.

        Positions are dense, what was acknowledged stands where that said, no follower missed or repeated anything.
        """
        await self.settle()
        acknowledged = {place for each in self.publishers for place in each.places()}
        log = places(await read_log(address, max(position for position, _, _ in acknowledged)))
        assert [position for position, _, _ in log] == list(range(1, len(log) + 1))
        assert acknowledged - set(log) == set()
        await self._until(lambda: all(each.position >= len(log) for each in self.followers), "watched to the end")
        assert [places(each.seen) == log for each in self.followers] == [True] * len(self.followers)

    async def _until(self, condition: Callable[[], bool], what: str) -> None:
        def holds() -> bool:
            for task in (*self._publishing, *self._following):
                if task.done():
                    task.result()
            return condition()

        await until(holds, what)

    async def end(self) -> None:
        """End them all, however far they came."""
        tasks = [*self._publishing, *self._following]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def traffic(*routes: Sequence[str]) -> AsyncIterator[Traffic]:
    """A publisher and a follower for each route: the addresses that it tries in turn, from the first on."""
    publishers = [Publisher(f"p{number}", route) for number, route in enumerate(routes)]
    running = Traffic(publishers, [Follower(route) for route in routes])
    try:
        await running.flows(2)
        yield running
    finally:
        await running.end()


async def read_log(address: str, end: int) -> list[log_pb2.Transition]:
    """The whole log, which goes up to a position or further."""

    def is_all(seen: list[pb.WatchTransitionsResponse]) -> bool:
        return seen[-1].phase == pb.WATCH_PHASE_LIVE and seen[-1].head_position >= end

    deadline = time.monotonic() + SECONDS
    async with connected(address) as client:
        while True:
            try:
                return transitions(await client.watched(EARLIEST, is_all))
            except grpc.aio.AioRpcError as error:
                # What a replica keeps for readers may still lead to a database that does not answer.
                if error.code() is not grpc.StatusCode.UNAVAILABLE or time.monotonic() > deadline:
                    raise
            await asyncio.sleep(RETRY_SECONDS)
