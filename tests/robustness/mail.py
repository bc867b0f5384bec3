"""The messages that a campaign is about, and what happens to them: new ones, recent ones, old ones, and repeats."""

import random
from itertools import count
from typing import Final

from msgstate.v1 import event_pb2
from tests.robustness.history import Fact
from tests.robustness.rows import Name

KINDS: Final = {
    event_pb2.EVENT_TYPE_ACCEPTED: "registration",
    event_pb2.EVENT_TYPE_SENT: "dispatch",
    event_pb2.EVENT_TYPE_DEFERRED: "soft_bounce",
    event_pb2.EVENT_TYPE_ERRORED: "error",
    event_pb2.EVENT_TYPE_SUPPRESSED: "suppressed",
    event_pb2.EVENT_TYPE_DELIVERED: "delivery",
    event_pb2.EVENT_TYPE_COMPLAINED: "complaint",
    event_pb2.EVENT_TYPE_OPENED: "open",
    event_pb2.EVENT_TYPE_CLICKED: "click",
    event_pb2.EVENT_TYPE_BOUNCED: "bounce",
}
"""What happens, with CloudMailin's word for it."""
NARROW: Final = Name("shop", "narrow", "narrow@example.com")
"""A message that something happens to now and then."""
BUSY: Final = tuple(Name("shop", f"busy-{number}", "busy@example.com") for number in range(8))
"""Messages that something happens to all the time."""

_RECENT: Final = 60
_NARROW_SHARE: Final = 0.02
_REPEAT_SHARE: Final = 0.1
_OLD_SHARE: Final = 0.1
_NEW_SHARE: Final = 0.4
_PADDING: Final = "https://example.com/" + "p" * 300


class Mail:
    """Makes batches of events, a name for each."""

    def __init__(self, chosen: random.Random) -> None:
        """`chosen` decides everything."""
        self._chosen = chosen
        self._numbers = count()
        self._types = list(KINDS)
        self.names: dict[str, list[Name]] = {"shop": [], "other": [], "cloudmailin": []}
        """Every recipient that was named so far, by provider, the oldest first."""

    def batch(self, provider: str, size: int, sent: list[Fact]) -> tuple[Fact, ...]:
        """So many events of one provider; some of them are among those that were sent before."""
        return tuple(self._fact(provider, sent) for _ in range(size))

    def some_names(self, size: int) -> list[Name]:
        """Recipients to ask for: mostly recent ones."""
        names = self.names[self._chosen.choice(("shop", "other", "cloudmailin"))]
        pool = names[-_RECENT:] if self._chosen.random() < 1 - _OLD_SHARE else names
        return [self._chosen.choice(pool) for _ in range(size)] if pool else []

    def busy(self, size: int) -> tuple[Fact, ...]:
        """So many events of messages that are known already."""
        return tuple(self._new(self._chosen.choice(BUSY)) for _ in range(size))

    def last(self) -> Fact:
        """An event that tells that it is the last."""
        return self._new(Name("shop", f"last-{next(self._numbers)}", "last@example.com"))

    def _fact(self, provider: str, sent: list[Fact]) -> Fact:
        if sent and self._chosen.random() < _REPEAT_SHARE:
            pool = sent[-_RECENT:] if self._chosen.random() < 1 - _OLD_SHARE else sent
            return self._chosen.choice(pool)
        if provider == "shop" and self._chosen.random() < _NARROW_SHARE:
            return self._new(NARROW)
        return self._new(self._name(provider))

    def _name(self, provider: str) -> Name:
        names, share = self.names[provider], self._chosen.random()
        if not names or share < _NEW_SHARE:
            number = next(self._numbers)
            name = Name(provider, f"m{number}", f"r{number % 2}@example.com")
            names.append(name)
            return name
        return self._chosen.choice(names if share < _NEW_SHARE + _OLD_SHARE else names[-_RECENT:])

    def _new(self, name: Name) -> Fact:
        return Fact(name, int(self._chosen.choice(self._types)), f"e{next(self._numbers)}")


def write_event(message: event_pb2.Event, fact: Fact) -> None:
    """Write an event as a sender publishes it into an empty message."""
    message.provider, message.message_id, message.recipient = fact.name
    message.type = fact.type  # type: ignore[assignment]
    message.event_id = fact.mark
    message.url = _PADDING


def webhook(facts: tuple[Fact, ...]) -> dict[str, object]:
    """The events as CloudMailin posts them."""
    return {
        "events": [
            {
                "kind": KINDS[fact.type],  # type: ignore[index]
                "message_id": fact.name.message_id,
                "recipient": fact.name.recipient,
                "details": fact.mark,
            }
            for fact in facts
        ]
    }
