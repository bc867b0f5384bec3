"""Group commit: whatever waits while one transaction runs shares the next one, within bounds.

Where callers are many, it also waits a moment for those who were just answered: they come again.
"""

import asyncio
from collections import deque
from contextlib import suppress
from typing import Final, NamedTuple, TypeAlias

import structlog

from msgstate_server.domain.decision import Outcome, Submission
from msgstate_server.domain.errors import Draining, IngestQueueFull, Unavailable
from msgstate_server.failpoints import failpoint
from msgstate_server.store.protocol import Store

QUEUE_EVENTS: Final = 20_000
"""Events that may wait; beyond, callers do. Raw bodies count too, so that at most 64 MB of them wait."""
GROUP_EVENTS: Final = 2_000
"""Events in one transaction, unless one submission alone has more; raw bodies count too."""
_BODY_BYTES: Final = 3_200
"""Bytes of a raw body that count as one event."""
CROWD_EVENTS: Final = 64
"""Events that share the cost of a commit well enough: it waits for no more."""
CROWD_SECONDS: Final = 0.002
"""How long a commit waits at most for those who are expected."""
PAUSE_SECONDS: Final = 0.01
"""After so long without a caller, nobody is expected."""
ROOM_SECONDS: Final = 5.0
"""How long a caller without a deadline waits for room."""

_log = structlog.get_logger("msgstate.ingest")


_CLOSED: Final = "the service is shutting down; send the same again to it later or to another replica"

Committed: TypeAlias = asyncio.Future[list[Outcome]]
"""The outcome of each candidate of a submission, in order, once all of it is durable.

To be cancelled where nobody will ask for it: what still waits is then not committed, and no failure is reported.
"""


class _Waiting(NamedTuple):
    submission: Submission
    committed: Committed


class Ingest:
    """Commits submissions in the order in which they were queued; a lone one does not wait for company."""

    def __init__(self, store: Store, queue_events: int = QUEUE_EVENTS, group_events: int = GROUP_EVENTS) -> None:
        """Prepare; `run` commits."""
        self._store = store
        self._queue_events = queue_events
        self._group_events = group_events
        self._queue: deque[_Waiting] = deque()
        self._queued = 0
        self._draining = asyncio.Event()
        self._work = asyncio.Event()
        self._room = asyncio.Event()
        self._expected = 0
        self._crowd = asyncio.Event()

    async def submit(self, submission: Submission, timeout: float | None = None) -> list[Outcome]:  # noqa: ASYNC109
        """The outcome of each candidate, in order, once all of the submission is durable.

        Raises `IngestQueueFull` where there is no room within `timeout` seconds, `Draining` when the service stops and
        `StoreUnavailable`; then the same submission may be sent again.
        """
        return await (await self.queue(submission, ROOM_SECONDS if timeout is None else timeout))

    async def queue(self, submission: Submission, seconds: float | None = None) -> Committed:
        """Give the submission its place, and what to await for its outcomes, which raises `StoreUnavailable`.

        Waits for room, for ever where `seconds` is None; raises `IngestQueueFull` after so many, and `Draining`.
        """
        cost = _cost(submission)
        if self._is_full(cost):
            await self._wait_for_room(cost, seconds)
        if self._draining.is_set():
            raise Draining(_CLOSED)
        committed: Committed = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(submission, committed))
        self._queued += cost
        self._work.set()
        if self._is_crowd():
            self._crowd.set()
        return committed

    def _is_full(self, cost: int) -> bool:
        return bool(self._queue) and self._queued + cost > self._queue_events

    async def _wait_for_room(self, cost: int, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                while self._is_full(cost) and not self._draining.is_set():
                    self._room.clear()
                    await self._room.wait()
        except TimeoutError:
            message = f"{self._queued} events wait to be committed; send the same again later, or send less"
            raise IngestQueueFull(message) from None

    async def run(self) -> None:
        """Commit what is submitted, until the service drains and nothing is left.

        Where it is cancelled, who waits is told to send the same again: it may be committed, or not.
        """
        try:
            while not self._draining.is_set() or self._queue:
                await self._wait_for_work()
                while self._queue:
                    await self._wait_for_crowd()
                    group = self._take_group()
                    await self._commit(group)
                    # Callers who send one event after the other come again once they are answered: most are waited for.
                    self._expected = (len(group) + len(self._queue)) * 3 // 4
        finally:
            _fail(list(self._queue), Draining(_CLOSED))

    async def _wait_for_work(self) -> None:
        loop = asyncio.get_running_loop()
        idle_since = loop.time()
        await self._work.wait()
        self._work.clear()
        if loop.time() - idle_since >= PAUSE_SECONDS:
            self._expected = 0

    def _is_crowd(self) -> bool:
        return len(self._queue) >= self._expected or self._queued >= CROWD_EVENTS or self._draining.is_set()

    async def _wait_for_crowd(self) -> None:
        """Let as many share the commit as came for the last ones."""
        if self._is_crowd():
            return
        self._crowd.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(CROWD_SECONDS):
                await self._crowd.wait()

    def drain(self) -> None:
        """Take no more; `run` ends when all that was taken is committed."""
        self._draining.set()
        self._crowd.set()
        self._work.set()
        self._room.set()

    async def closed(self) -> Draining:
        """Return when the service drains, with what those are told who could not be taken any more."""
        await self._draining.wait()
        return Draining(_CLOSED)

    def _take_group(self) -> list[_Waiting]:
        group: list[_Waiting] = []
        events = 0
        while self._queue and (not group or events + _cost(self._queue[0].submission) <= self._group_events):
            waiting = self._queue.popleft()
            events += _cost(waiting.submission)
            if not waiting.committed.cancelled():
                group.append(waiting)
        self._queued -= events
        self._room.set()
        return group

    async def _commit(self, group: list[_Waiting]) -> None:
        if not group:
            return
        try:
            outcomes = await self._store.append([waiting.submission for waiting in group])
        except Unavailable as error:
            _fail(group, error)
        except asyncio.CancelledError:
            _fail(group, Draining(_CLOSED))
            raise
        except Exception as error:  # noqa: BLE001
            if len(group) == 1:
                _log.exception("a submission could not be committed")
                _fail(group, error)
                return
            await self._commit_each(group)
        else:
            failpoint("write.before_answer")
            for waiting, outcome in zip(group, outcomes, strict=True):
                if not waiting.committed.done():
                    waiting.committed.set_result(outcome)
            failpoint("write.after_answer")

    async def _commit_each(self, group: list[_Waiting]) -> None:
        """One that the store chokes on must not take its neighbours along."""
        try:
            for waiting in group:
                await self._commit([waiting])
        except asyncio.CancelledError:
            _fail(group, Draining(_CLOSED))
            raise


def _cost(submission: Submission) -> int:
    body = len(submission.payload.body) if submission.payload is not None else 0
    return max(1, len(submission.candidates), body // _BODY_BYTES)


def _fail(group: list[_Waiting], error: Exception) -> None:
    for waiting in group:
        if not waiting.committed.done():
            waiting.committed.set_exception(error)
