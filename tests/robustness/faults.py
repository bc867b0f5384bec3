"""What goes wrong in a cycle, each by its name; a fault that did not happen is a finding of its own.

`kill` is SIGKILL at a random moment, `kill@PLACE`, `stall@PLACE` and `fail@PLACE` happen at a named failpoint;
`crash@PLACE` is a stall and then the kill, so that others go on in between; `stop` is SIGSTOP for a while, `term` a
clean restart, `term@PLACE` one while a thread stands there and others wait. The rest is the network's.

All of it befalls one server, the others go on: `freeze@PLACE` is a SIGSTOP there, until the others have done enough.
What begins with `database` befalls the way between one server and the database that it shares with others, or, as a
crash, as a failover and as the end of connections, the database itself.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

from msgstate_server.failpoints import FAILPOINTS
from tests.robustness import engines, outages
from tests.robustness.arena import Arena
from tests.robustness.history import Struck, now
from tests.robustness.host import ServerFailed
from tests.robustness.proxy import DOWN, FAIR, UP, Proxy, Weather
from tests.robustness.replica import Replica

_MOST_MOMENTS: Final = 4
"""A failpoint acts at a random one of its first times."""
_RANDOM_KILLS: Final = 40
_RANDOM_KILLS_OF_A_REPLICA: Final = 10
_OTHERS_DO: Final = 50
"""Events that are acknowledged by the others before one goes on that was frozen or cut off."""
_RARE: Final = ("compact.", "forget.", "discard.")
_SWEEPS_TAKE: Final = 4
"""How much longer a sweep may take than anything else: on a busy machine it takes many slow steps, with pauses."""
_SPELL_SECONDS: Final = (0.4, 1.2)
_STOP_SECONDS: Final = 20.0
"""How long a server may take to end cleanly. It promises 5, which tests of their own hold it to: here all is busy."""
_KILL: Final = "kill"
_CRASH: Final = "crash"
_TERM: Final = "term"
_FREEZE: Final = "freeze"
_DURING: Final = ("database hole up", "database hole down", outages.FAILOVER)
"""What may befall others while a thread stands still."""

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


_FREEZABLE: Final = (
    # It holds the head, and only the commit is missing.
    "write.after_head",
    "write.after_events",
    "compact.after_floor",
    # It holds recipients.
    "write.after_load",
    "forget.after_statuses",
    "write.after_commit",
)
"""Where a replica that stands still is the most in the way of the others."""


class NotFired(Exception):
    """The fault did not happen."""


Fault: TypeAlias = Callable[[Arena, Replica], Awaitable[None]]


async def strike(arena: Arena, replica: Replica, fault: str) -> None:
    """Let a fault befall a server, and return when it is over and it runs; raises `NotFired` and `ServerFailed`."""
    kind, _, name = fault.partition("@")
    begin = now()
    await (_at_failpoint(arena, replica, name, kind) if name else PLAIN[kind](arena, replica))
    arena.history.faults.append(Struck(fault, begin, now()))
    arena.counts[f"faults: {fault}"] += 1
    arena.counts["faults"] += 1


async def _at_failpoint(arena: Arena, replica: Replica, name: str, action: str) -> None:
    is_rare = name.startswith(_RARE)
    nth = 1 if is_rare else arena.chosen.randint(1, _MOST_MOMENTS)
    replica.host.arm(name, nth, "stall" if action in _DURING else action)
    if not await arena.until(lambda: replica.host.has_fired(name), _SWEEPS_TAKE if is_rare else 1):
        raise NotFired(f"{name} was not reached")
    if action in (_KILL, _CRASH):
        await _after_death(arena, replica)
    elif action == _TERM:
        await _after_end(arena, replica)
    elif action == _FREEZE:
        await _others_go_on(arena, f"while {replica.name} is frozen at {name}")
        replica.host.running.send(signal.SIGCONT)
    elif action in _DURING:
        await PLAIN[action](arena, replica)


async def _others_go_on(arena: Arena, when: str) -> None:
    if not arena.are_several:
        return
    enough, began = arena.history.acknowledged() + _OTHERS_DO, now()
    if not await arena.until(lambda: arena.history.acknowledged() >= enough):
        missing = enough - arena.history.acknowledged()
        arena.history.find("the_others_go_on", f"{when} {missing} events too few are acknowledged in {now() - began} s")


async def _kill(arena: Arena, replica: Replica) -> None:
    await asyncio.sleep(arena.chosen.uniform(0, 0.2))
    replica.host.running.send(signal.SIGKILL)
    await _after_death(arena, replica)


async def _after_death(arena: Arena, replica: Replica) -> None:
    code = await replica.host.running.ended()
    if code != -signal.SIGKILL:
        raise NotFired(f"the server was to be killed, and ended with {code}")
    arena.counts["SIGKILLs"] += 1
    # What retention deletes as the next server starts is seen before.
    await asyncio.to_thread(arena.archive.look)
    await replica.restart()


async def _terminate(arena: Arena, replica: Replica) -> None:
    replica.host.running.send(signal.SIGTERM)
    await _after_end(arena, replica)


async def _after_end(arena: Arena, replica: Replica) -> None:
    await _ended(arena, replica)
    await asyncio.to_thread(arena.archive.look)
    await replica.restart()


async def stop(arena: Arena, replica: Replica) -> None:
    """Have the server end by itself."""
    replica.host.running.send(signal.SIGTERM)
    await _ended(arena, replica)


async def _ended(arena: Arena, replica: Replica) -> None:
    running = replica.host.running
    try:
        code = await running.ended(_STOP_SECONDS)
    except ServerFailed as error:
        arena.history.find("the_server_stops_when_asked", str(error))
        running.close()
    else:
        if code:
            arena.history.find("the_server_stops_when_asked", f"it ended with {code}: {running.log()}")


async def _freeze(arena: Arena, replica: Replica) -> None:
    replica.host.running.send(signal.SIGSTOP)
    await asyncio.sleep(arena.chosen.uniform(1.0, 2.0))
    await _others_go_on(arena, f"while {replica.name} is frozen")
    replica.host.running.send(signal.SIGCONT)


Network: TypeAlias = Callable[[Replica], Sequence[Proxy]]
"""The proxies that a fault befalls."""


def _clients(replica: Replica) -> Sequence[Proxy]:
    return replica.grpc, replica.http


def _database(replica: Replica) -> Sequence[Proxy]:
    assert replica.between, "its database is a file"
    return replica.between


def _spell(network: Network, make: Callable[[Arena], Weather]) -> Fault:
    """Weather for a while, then fair again or, as likely, every connection is lost."""

    async def passing(arena: Arena, replica: Replica) -> None:
        weather, proxies = make(arena), network(replica)
        for proxy in proxies:
            proxy.turn(weather)
        await asyncio.sleep(arena.chosen.uniform(*_SPELL_SECONDS))
        await _others_go_on(arena, f"while {weather} is around {replica.name}")
        is_cut = arena.chosen.random() < 0.5
        for proxy in proxies:
            if is_cut:
                proxy.cut()
            proxy.turn(FAIR)

    return passing


def _cut(network: Network) -> Fault:
    async def cut(arena: Arena, replica: Replica) -> None:
        # A server that just lost its database may have no connection to it, and comes back.
        if not await arena.until(lambda: sum(proxy.cut() for proxy in network(replica)) > 0):
            raise NotFired("no connection was there to be cut")

    return cut


def _cut_in_frame(network: Network) -> Fault:
    async def cut_in_frame(arena: Arena, replica: Replica) -> None:
        proxies = network(replica)
        before = sum(proxy.cuts_made for proxy in proxies)

        def is_cut() -> bool:
            if sum(proxy.cuts_made for proxy in proxies) > before:
                return True
            for proxy in proxies:
                # Again each time: clients may have left what they had, and come back meanwhile.
                proxy.cut_in_frame()
            return False

        if not await arena.until(is_cut):
            raise NotFired("nothing was cut in the middle")

    return cut_in_frame


async def _end_backends(arena: Arena, _: Replica) -> None:
    deadline = now() + arena.patience
    while not await asyncio.to_thread(arena.database.end_backends, arena.chosen):
        if now() > deadline:
            raise NotFired("no server was connected")
        await asyncio.sleep(0.02)


def _spoilt(network: Network, name: str) -> dict[str, Fault]:
    """Everything that may befall a network, by its name."""
    return {
        f"{name}cut": _cut(network),
        f"{name}cut in frame": _cut_in_frame(network),
        f"{name}delay": _spell(network, lambda arena: Weather(delay=arena.chosen.uniform(0.01, 0.1))),
        f"{name}trickle": _spell(network, lambda arena: Weather(trickle=arena.chosen.randrange(50, 500))),
        f"{name}hole up": _spell(network, lambda _: Weather(holes=frozenset({UP}))),
        f"{name}hole down": _spell(network, lambda _: Weather(holes=frozenset({DOWN}))),
    }


_OF_SERVERS: Final[dict[str, Fault]] = {
    _KILL: _kill,
    _TERM: _terminate,
    "stop": _freeze,
    **_spoilt(_clients, ""),
}
_OF_DATABASES: Final[dict[str, Fault]] = {
    **outages.OUTAGES,
    "database ends connections": _end_backends,
    **_spoilt(_database, "database "),
}
PLAIN: Final[dict[str, Fault]] = {**_OF_SERVERS, **_OF_DATABASES}

KILLS: Final[Sequence[str]] = (_KILL, *(f"kill@{name}" for name in FAILPOINTS if not name.startswith("copy.")))
STALLS: Final[Sequence[str]] = tuple(f"stall@{name}" for name in _STALLABLE)
CRASHES: Final[Sequence[str]] = ("crash@write.before_begin", "crash@write.after_head", "term@write.after_begin")
FAILURES: Final[Sequence[str]] = tuple(f"fail@{name}" for name in _FAILABLE)
FREEZES: Final[Sequence[str]] = tuple(f"freeze@{name}" for name in _FREEZABLE)
DURING: Final[Sequence[str]] = tuple(f"{fault}@write.after_head" for fault in _DURING)
_ANYWHERE: Final[Sequence[str]] = (*KILLS, *_OF_SERVERS, *STALLS, *CRASHES, *FAILURES)
FAULTS: Final[dict[str, tuple[str, ...]]] = {
    engines.SQLITE: (*_ANYWHERE, *[_KILL] * _RANDOM_KILLS),
    engines.POSTGRES: (*_ANYWHERE, *[_KILL] * _RANDOM_KILLS_OF_A_REPLICA, *_OF_DATABASES, *FREEZES, *DURING),
}
"""Every fault there is, by engine; most of them are kills."""
