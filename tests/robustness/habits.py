"""What watchers there are: where each begins, what it wants, and how it reads."""

import random
import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from msgstate.v1 import event_pb2, status_pb2
from tests.robustness.history import EARLIEST, NOW
from tests.robustness.mail import NARROW
from tests.robustness.rows import Wanted, place

Start = str | int
"""EARLIEST, NOW, a token, or a time in microseconds since 1970."""

_SHORT: Final = (2, 40)
_LONG: Final = (50, 400)
_FEW: Final = (2, 10)
LONGEST_SILENCE: Final = 60
"""A watcher with this interval gets no checkpoints to speak of."""
_NEAR: Final = 30
_SHARDS: Final = 5


class Known(NamedTuple):
    """What a watcher knows when it connects: its last token, tokens that others were given, and the log's floor."""

    last: str
    tokens: Sequence[str]
    floor: int


class Habit(NamedTuple):
    """How one watcher behaves; `responses` is how many it reads before it disconnects, at least and at most."""

    name: str
    wanted: Callable[[random.Random], Wanted]
    start: Callable[[random.Random, Known], Start]
    responses: tuple[int, int] = _LONG
    interval: int = 1
    max_batch: int = 0
    stall_seconds: float = 0.0


def resuming(_: random.Random, known: Known) -> Start:
    """Where it stopped; at first at the beginning."""
    return known.last or EARLIEST


def from_now(_: random.Random, __: Known) -> Start:
    """At the end of the log."""
    return NOW


def before_head(chosen: random.Random, known: Known) -> Start:
    """A few responses before the newest that anyone was given."""
    newest = list(known.tokens)[-_NEAR:]
    return chosen.choice(newest) if newest else NOW


def around_now(chosen: random.Random, _: Known) -> Start:
    """A time a moment ago, or a moment ahead."""
    return time.time_ns() // 1_000 + chosen.randrange(-400_000, 400_000)


def ahead_of_now(chosen: random.Random, _: Known) -> Start:
    """A time that is to come when the request arrives."""
    return time.time_ns() // 1_000 + chosen.randrange(200_000, 800_000)


def from_beginning(_: random.Random, __: Known) -> Start:
    """Wherever the log begins by now."""
    return EARLIEST


def near_floor(chosen: random.Random, known: Known) -> Start:
    """A token on either side of where the floor was seen last, or the beginning, which is the floor."""
    if chosen.random() < 0.3:
        return EARLIEST
    near = sorted(known.tokens, key=lambda token: abs(place(token).position - known.floor))[:_NEAR]
    return chosen.choice(near) if near else EARLIEST


def _all(wanted: Wanted) -> Callable[[random.Random], Wanted]:
    return lambda _: wanted


def _share(chosen: random.Random) -> Wanted:
    count = chosen.randrange(1, _SHARDS)
    return Wanted(transitions=chosen.random() < 0.5, shard_index=chosen.randrange(count), shard_count=count)


_EVERYTHING: Final = _all(Wanted())
_TRANSITIONS: Final = _all(Wanted(transitions=True))

HABITS: Final = (
    Habit("events", _EVERYTHING, resuming),
    Habit("transitions", _TRANSITIONS, resuming),
    Habit("impatient", _EVERYTHING, resuming, responses=_SHORT, max_batch=3),
    Habit("from now", _EVERYTHING, from_now, responses=_SHORT),
    Habit("before the head", _TRANSITIONS, before_head, responses=_SHORT),
    Habit("around now", _EVERYTHING, around_now, responses=_SHORT),
    Habit("ahead of now", _EVERYTHING, ahead_of_now, responses=_FEW),
    Habit("from the beginning", _TRANSITIONS, from_beginning),
    Habit("near the floor", _EVERYTHING, near_floor, responses=_SHORT),
    Habit("stalled", _EVERYTHING, resuming, stall_seconds=2.0),
    Habit("stalled, of transitions", _TRANSITIONS, resuming, stall_seconds=1.0, max_batch=20),
    Habit("nothing", _all(Wanted(providers=frozenset({"nobody"}))), resuming),
    Habit(
        "narrow",
        _all(Wanted(transitions=True, message_ids=frozenset({NARROW.message_id}))),
        resuming,
        interval=LONGEST_SILENCE,
    ),
    Habit("one address", _all(Wanted(recipients=frozenset({NARROW.recipient}))), resuming),
    Habit(
        "failures",
        _all(
            Wanted(
                transitions=True,
                providers=frozenset({"shop", "other"}),
                to_states=frozenset({int(status_pb2.STATE_FAILED)}),
            )
        ),
        resuming,
    ),
    Habit("complaints", _all(Wanted(types=frozenset({int(event_pb2.EVENT_TYPE_COMPLAINED)}))), resuming),
    Habit("idle for long", _EVERYTHING, resuming, interval=LONGEST_SILENCE),
    Habit("a share", _share, resuming, responses=_SHORT),
    Habit("another share", _share, resuming, responses=_SHORT),
)
"""Each of them, at once."""
