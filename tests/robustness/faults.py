"""What goes wrong in a cycle, each by its name; a fault that did not happen is a finding of its own.

`kill` is SIGKILL at a random moment, `kill@PLACE`, `stall@PLACE` and `fail@PLACE` happen at a named failpoint;
`crash@PLACE` is a stall and then the kill, so that others go on in between; `stop` is SIGSTOP for a while, `term` a
clean restart, `term@PLACE` one while a thread stands there and others wait. The rest is the network's.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from msgstate_server.failpoints import FAILPOINTS
from tests.robustness.arena import Arena
from tests.robustness.host import ServerFailed
from tests.robustness.proxy import DOWN, FAIR, UP, Weather

_MOST_MOMENTS: Final = 4
"""A failpoint acts at a random one of its first times."""
_RANDOM_KILLS: Final = 40
_RARE: Final = ("compact.", "forget.", "discard.")
_SPELL_SECONDS: Final = (0.4, 1.2)
_STOP_SECONDS: Final = 20.0
"""How long a server may take to end cleanly. It promises 5, which tests of their own hold it to: here all is busy."""
_KILL: Final = "kill"
_CRASH: Final = "crash"
_TERM: Final = "term"

_FAILABLE: Final = (
    "write.after_begin",
    "write.after_load",
    "write.after_bodies",
    "write.after_statuses",
    "write.after_events",
    "write.after_aliases",
    "write.after_head",
    "compact.after_begin",
    "compact.after_events",
    "compact.after_statuses",
    "compact.after_floor",
    "forget.after_begin",
    "forget.after_statuses",
    "discard.after_begin",
    "discard.after_payloads",
)
"""Where a disk may fail: within a transaction."""


_STALLABLE: Final = (
    "write.after_head",
    "write.after_commit",
    "write.before_answer",
    "compact.after_floor",
    "compact.after_commit",
    "forget.after_statuses",
    "watch.before_send",
    "watch.after_checkpoint",
)
"""Where others go on while a thread stands still, and could see what they must not."""


class NotFired(Exception):
    """The fault did not happen."""


async def strike(arena: Arena, fault: str) -> None:
    """Let a fault happen, and return when it is over and a server runs; raises `NotFired` and `ServerFailed`."""
    kind, _, name = fault.partition("@")
    await (_at_failpoint(arena, name, kind) if name else PLAIN[kind](arena))
    arena.counts[f"faults: {fault}"] += 1
    arena.counts["faults"] += 1


async def _at_failpoint(arena: Arena, name: str, action: str) -> None:
    nth = 1 if name.startswith(_RARE) else arena.chosen.randint(1, _MOST_MOMENTS)
    arena.host.arm(name, nth, action)
    if not await arena.until(lambda: arena.host.has_fired(name)):
        raise NotFired(f"{name} was not reached")
    if action in (_KILL, _CRASH):
        await _after_death(arena)
    elif action == _TERM:
        await _after_end(arena)


async def _kill(arena: Arena) -> None:
    await asyncio.sleep(arena.chosen.uniform(0, 0.2))
    arena.host.running.send(signal.SIGKILL)
    await _after_death(arena)


async def _after_death(arena: Arena) -> None:
    code = await arena.host.running.ended()
    if code != -signal.SIGKILL:
        raise NotFired(f"the server was to be killed, and ended with {code}")
    arena.counts["SIGKILLs"] += 1
    # What retention deletes as the next server starts is seen before.
    await asyncio.to_thread(arena.archive.look)
    await arena.restart()


async def _terminate(arena: Arena) -> None:
    arena.host.running.send(signal.SIGTERM)
    await _after_end(arena)


async def _after_end(arena: Arena) -> None:
    await _ended(arena)
    await asyncio.to_thread(arena.archive.look)
    await arena.restart()


async def stop(arena: Arena) -> None:
    """Have the server end by itself."""
    arena.host.running.send(signal.SIGTERM)
    await _ended(arena)


async def _ended(arena: Arena) -> None:
    try:
        code = await arena.host.running.ended(_STOP_SECONDS)
    except ServerFailed as error:
        arena.history.find("the_server_stops_when_asked", str(error))
        arena.host.running.close()
    else:
        if code:
            arena.history.find("the_server_stops_when_asked", f"it ended with {code}: {arena.host.running.log()}")


async def _freeze(arena: Arena) -> None:
    arena.host.running.send(signal.SIGSTOP)
    await asyncio.sleep(arena.chosen.uniform(1.0, 2.0))
    arena.host.running.send(signal.SIGCONT)


def _spell(make: Callable[[Arena], Weather]) -> Callable[[Arena], Awaitable[None]]:
    """Weather for a while, then fair again or, as likely, every connection is lost."""

    async def passing(arena: Arena) -> None:
        weather = make(arena)
        for proxy in (arena.grpc, arena.http):
            proxy.turn(weather)
        await asyncio.sleep(arena.chosen.uniform(*_SPELL_SECONDS))
        is_cut = arena.chosen.random() < 0.5
        for proxy in (arena.grpc, arena.http):
            if is_cut:
                proxy.cut()
            proxy.turn(FAIR)

    return passing


async def _cut(arena: Arena) -> None:
    if not arena.grpc.cut() + arena.http.cut():
        raise NotFired("no connection was there to be cut")


async def _cut_in_frame(arena: Arena) -> None:
    before = arena.grpc.cuts_made
    arena.http.cut_in_frame()

    def is_cut() -> bool:
        if arena.grpc.cuts_made == before:
            # Again each time: clients may have left what they had, and come back meanwhile.
            arena.grpc.cut_in_frame()
        return arena.grpc.cuts_made > before

    if not await arena.until(is_cut):
        raise NotFired("nothing was cut in the middle")


PLAIN: Final[dict[str, Callable[[Arena], Awaitable[None]]]] = {
    _KILL: _kill,
    _TERM: _terminate,
    "stop": _freeze,
    "cut": _cut,
    "cut in frame": _cut_in_frame,
    "delay": _spell(lambda arena: Weather(delay=arena.chosen.uniform(0.01, 0.1))),
    "trickle": _spell(lambda arena: Weather(trickle=arena.chosen.randrange(50, 500))),
    "hole up": _spell(lambda _: Weather(holes=frozenset({UP}))),
    "hole down": _spell(lambda _: Weather(holes=frozenset({DOWN}))),
}

KILLS: Final[Sequence[str]] = (_KILL, *(f"kill@{name}" for name in FAILPOINTS))
STALLS: Final[Sequence[str]] = tuple(f"stall@{name}" for name in _STALLABLE)
CRASHES: Final[Sequence[str]] = ("crash@write.before_begin", "crash@write.after_head", "term@write.after_begin")
FAILURES: Final[Sequence[str]] = tuple(f"fail@{name}" for name in _FAILABLE)
OTHERS: Final[Sequence[str]] = tuple(PLAIN)
FAULTS: Final[Sequence[str]] = (*KILLS, *[_KILL] * _RANDOM_KILLS, *OTHERS, *STALLS, *CRASHES, *FAILURES)
"""Every fault there is; most of them are kills."""
