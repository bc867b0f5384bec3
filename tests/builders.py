"""Plain functions that make what tests put into a store: events with sensible defaults, and submissions of them."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from msgstate_server.domain.decision import Outcome, Payload, Problem, Submission, candidate
from msgstate_server.domain.events import Event, EventAttributes, EventType
from msgstate_server.domain.log import LogEntry
from msgstate_server.store.protocol import MessageKey, Store

NOW = 1_790_000_000_000_000
SECOND = 1_000_000
TYPES = [event_type for event_type in EventType if event_type is not EventType.UNSPECIFIED]


FACTS: Final = (
    "evidence",
    "version",
    "position",
    "queued_time",
    "sent_time",
    "delivered_time",
    "engaged_time",
    "failed_time",
    "suppressed_time",
    "complained_time",
    "unsubscribed_time",
    "last_event_time",
    "open_count",
    "click_count",
    "failure_cause",
    "suppression_cause",
    "aliases",
    "create_time",
    "update_time",
    "state_change_time",
)
"""The columns of a status that the events of its recipient decide."""


class Clock:
    """A clock that stands still until a test moves it."""

    def __init__(self, now: int = NOW) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


def event(  # noqa: PLR0913
    event_type: EventType = EventType.SENT,
    *,
    message_id: str = "m",
    recipient: str = "a@example.com",
    provider: str = "acme",
    occurred: int | None = None,
    received: int = NOW,
    **attributes: Any,
) -> Event:
    """An event; one with the same contents has the same key."""
    return Event(provider, message_id, recipient, event_type, occurred, received, EventAttributes(**attributes))


def numbered(count: int, messages: int = 0, first: int = 0) -> list[Event]:
    """Different events of all types, spread over so many messages; without a number, each of a message of its own."""
    return [
        event(
            TYPES[number % len(TYPES)],
            message_id=f"m{number % messages if messages else number}",
            event_id=f"e{number}",
        )
        for number in range(first, first + count)
    ]


def submission(*events: Event, payload: Payload | None = None, problems: Sequence[Problem] = ()) -> Submission:
    """What one request brings."""
    return Submission([candidate(each) for each in events], payload, problems)


def payload(body: bytes = b"body", provider: str = "acme", account: str = "", received: int = NOW) -> Payload:
    """The raw body of a webhook."""
    return Payload(provider, account, received, body)


async def append(store: Store, *events: Event) -> list[Outcome]:
    """Commit events as one submission."""
    (outcomes,) = await store.append([submission(*events)])
    return outcomes


async def find_by_alias(store: Store, alias: str, provider: str = "", limit: int = 10) -> list[MessageKey]:
    """The messages that one alias names."""
    (found,) = await store.find_by_aliases([MessageKey(provider, alias)], limit)
    return found


def positions(entries: Iterable[LogEntry | Outcome]) -> list[int]:
    """Where they stand in the log."""
    return [entry.position for entry in entries]
