"""Fills a file as fast as the store itself takes events: `fill FILE MESSAGES`.

Every message has one recipient and one event. Beyond them, so that each filter of a list has many pages to give: one
campaign has a sixteenth as many recipients, and of the messages one in sixteen goes to the same address, another comes
from another provider and another is suppressed. Commit times rise along the log.
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Final

from msgstate_server.domain.decision import Submission, candidate
from msgstate_server.domain.events import Event, EventAttributes, EventType
from msgstate_server.store.sqlite import SqliteStore
from tests.bench.workload import ADDRESS, CAMPAIGN, OTHER_PROVIDER, SHARE, named

_BATCH: Final = 2_000
_BEGIN: Final = 1_760_000_000_000_000
_STEP: Final = 1_000
"""Microseconds from one event to the next."""


def event(number: int, messages: int) -> Event:
    """The only event of a recipient; those of the campaign come last."""
    about = named(number) if number < messages else CAMPAIGN
    part = number % SHARE if number < messages else SHARE
    time = _BEGIN + number * _STEP
    return Event(
        OTHER_PROVIDER if part == 1 else "emailit",
        about,
        ADDRESS if part == 0 else f"reader-of-{named(number)}",
        EventType.SUPPRESSED if part == 2 else EventType.DELIVERED,
        time,
        time,
        EventAttributes(provider_type="email.delivery", event_id=f"evt_{number:012}"),
    )


async def fill(file: Path, messages: int) -> None:
    """Append all, a batch at a time."""
    now = _BEGIN
    store = await SqliteStore.open(file, lambda: now)
    total = messages + messages // SHARE
    for start in range(0, total, _BATCH):
        end = min(start + _BATCH, total)
        now = _BEGIN + end * _STEP
        await store.append([Submission([candidate(event(number, messages)) for number in range(start, end)])])
    await store.close()


def main() -> None:
    """Fill a file, and say how long it took."""
    began = time.perf_counter()
    asyncio.run(fill(Path(sys.argv[1]), int(sys.argv[2])))
    print(json.dumps({"seconds": time.perf_counter() - began}))  # noqa: T201


if __name__ == "__main__":
    main()
