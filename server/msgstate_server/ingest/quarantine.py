"""Webhooks that were not understood: shown as they read now, and published once a mend lets them be read."""

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from msgspec.structs import replace

from msgstate_server.domain.decision import Intake, Outcome, Payload, Problem
from msgstate_server.domain.errors import QuarantinedNotFound
from msgstate_server.domain.events import Event
from msgstate_server.domain.validation import shown
from msgstate_server.ingest.group_commit import Ingest
from msgstate_server.store.protocol import Quarantined, Store

TakeIn: TypeAlias = Callable[[Payload], Intake | None]
"""Reads a body as this version does; None where it does not know the provider, as another version did."""


class Part(NamedTuple):
    """An event that a body holds, with a JSON pointer to where, and its place in the log; 0 where it is not there."""

    pointer: str
    event: Event
    position: int


class Shown(NamedTuple):
    """A quarantined webhook: what is understood of it now, in its own order, and all of it."""

    quarantined: Quarantined
    parts: list[Part]
    body: bytes


class Replayed(NamedTuple):
    """What became of the events, in the body's order, each with the JSON pointer to it; and what is not understood."""

    outcomes: list[tuple[str, Outcome]]
    problems: Sequence[Problem]


class Quarantine:
    """Shows and replays webhooks that were not understood. Its methods raise `StoreUnavailable`."""

    def __init__(self, store: Store, ingest: Ingest, take_in: TakeIn) -> None:
        """`take_in` reads a body anew."""
        self._store = store
        self._ingest = ingest
        self._take_in = take_in

    async def show(self, quarantined_id: int) -> Shown:
        """One webhook, as it reads now; raises `QuarantinedNotFound`."""
        quarantined, payload = await self._read(quarantined_id)
        intake = await self._take_in_anew(payload)
        if intake is None:
            return Shown(quarantined, [], payload.body)
        candidates = intake.submission.candidates
        positions = await self._store.find_positions(candidates)
        parts = [
            Part(pointer, candidate.event, position)
            for pointer, candidate, position in zip(intake.pointers, candidates, positions, strict=True)
        ]
        return Shown(quarantined, parts, payload.body)

    async def replay(self, quarantined_id: int) -> Replayed:
        """Publish what is understood now, with the webhook's own receipt time.

        Waits for room in the queue as long as it takes. Raises `QuarantinedNotFound` and `Draining`.
        """
        quarantined, payload = await self._read(quarantined_id)
        intake = await self._take_in_anew(payload)
        if intake is None:
            unknown = f"this version of msgstate does not know the provider {shown(payload.provider)}"
            return Replayed([], [Problem("", unknown), *quarantined.problems])
        submission = replace(intake.submission, quarantined=quarantined_id)
        outcomes = await (await self._ingest.queue(submission))
        return Replayed(list(zip(intake.pointers, outcomes, strict=True)), submission.problems)

    async def _take_in_anew(self, payload: Payload) -> Intake | None:
        # What takes long to read must not hold up everybody else.
        return await asyncio.to_thread(self._take_in, payload)

    async def _read(self, quarantined_id: int) -> tuple[Quarantined, Payload]:
        found = await self._store.read_quarantined(quarantined_id)
        if found is None:
            message = f"nothing in quarantine has the id {quarantined_id}: it was discarded, or never there"
            raise QuarantinedNotFound(message)
        return found
