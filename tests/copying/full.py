"""A store that has everything that a store can have."""

from typing import Final

from msgstate_server.domain.decision import Problem
from msgstate_server.domain.events import Event, EventType, Reason
from msgstate_server.store.opening import open_store
from msgstate_server.store.protocol import StatusFilter, Store
from tests.builders import NOW, SECOND, TYPES, Clock, append, event, numbered, payload, submission

TEXTS: Final = (
    "plain",
    "",
    "'quoted' \"twice\" \\ back\\\\slash \\N \\t \\.",
    "tab\tline\nreturn\rbell\x07delete\x7f",
    "\N{PILE OF POO} \N{ARABIC LETTER ALEF}\N{RIGHT-TO-LEFT OVERRIDE} e\u0301\ufffd",
    "\ufeff\ud7ff\U0010ffff",
    "x" * 2_000,
)
LATER: Final = NOW + 100 * SECOND
MESSAGES: Final = 40


async def fill(url: str, events: int = 200) -> Store:
    """Fill a new store, and leave it open.

    It has a floor and rows below it, recipients who were compacted, odd texts, bodies, aliases and quarantine; and the
    last recipient, the last body and the last of the quarantine are gone, so that the largest ids stand in no row.
    """
    clock = Clock()
    store = await open_store(url, clock)
    for number, text in enumerate(TEXTS):
        events_of_one = _odd(number, text)
        await store.append([submission(*events_of_one, payload=payload(f"old {text}".encode(), account=text[:60]))])
    for first in range(0, events, 50):
        own = numbered(50, messages=MESSAGES, first=first)
        await store.append([submission(*own, payload=payload(b"%d" % first * 3_000, received=LATER))])
    await append(store, event(message_id="forgotten", aliases=("alias of the forgotten",)))
    clock.now = LATER
    for number, text in enumerate(TEXTS[:3]):
        await append(store, event(EventType.READ, message_id=f"odd{number}", recipient=_address(number), detail=text))
    await append(store, *numbered(30, messages=MESSAGES // 2, first=1_000))
    await store.append(
        [submission(event(message_id="m0", event_id="bodiless"), payload=payload(b"gone", received=NOW - 1))]
    )
    await store.append([submission(problems=[Problem("/0", text)], payload=payload(text.encode())) for text in TEXTS])
    await store.discard_quarantined([2, len(TEXTS)])
    clock.now += SECOND
    (last,) = (await store.list_recipients(StatusFilter(), None, 1)).statuses
    assert last.status.message_id == "forgotten"
    assert (await store.compact(LATER, 0, 10_000)).deleted
    assert (await store.forget(LATER, last.id - 1, 10)).deleted == 1
    assert (await store.discard_payloads(NOW, 0, 10_000)).deleted == 1
    assert 0 < store.head.floor < store.head.position
    return store


def _odd(number: int, text: str) -> list[Event]:
    """An event of every type, with what is odd in all that can be."""
    return [
        event(
            event_type,
            message_id=f"odd{number}",
            recipient=_address(number),
            occurred=NOW - number if number % 2 else None,
            event_id=text[:100],
            provider_type=text[:100],
            detail=text,
            reason=Reason.OTHER,
            smtp_code=550 if number % 2 else 0,
            aliases=(f"alias {number} {text[:100]}", f"second {number}"),
            metadata={"key": text[:100]},
            automated=bool(number % 3),
        )
        for event_type in TYPES
    ]


def _address(number: int) -> str:
    return f"{TEXTS[number][:50]}{number}@ä.example"
