"""A msgstate that can be told to die: `python -m tests.robustness.server CONFIG.json`.

It is `msgstate serve` but for sizes so small that what is rare becomes common, and for lines on standard input:
`start` opens store and ports, so that a process can stand ready beside one that is about to be killed;
`arm NAME:NTH:ACTION` makes a failpoint do something at the nth time from now that it is reached; `tasks` has it print
how many tasks it runs. It ends when the input ends. Which msgstate it is, PYTHONPATH decides.

Actions: `kill` sends itself SIGKILL, `stall` stops the thread that comes by for STALL_SECONDS, `crash` is both, the
kill behind the stall, `term` a SIGTERM between two stalls, `freeze` a SIGSTOP, `fail` an error of the disk. Before any
of them the failpoint's name is written to the file `fired`.
"""

import asyncio
import itertools
import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import click
import msgspec

from msgstate_server import failpoints
from msgstate_server.app import Service, Tuning
from msgstate_server.cli.stopping import stop_on_signals
from msgstate_server.settings import ProviderSettings, Settings
from msgstate_server.telemetry import configure_logging

if TYPE_CHECKING:
    import sqlite3 as sqlite
else:
    import pysqlite3.dbapi2 as sqlite

STALL_SECONDS: Final = 0.5
CREDENTIALS: Final = "hook:secret"


class Config(msgspec.Struct):
    """What the file says; `settings` and `tuning` are arguments of the classes of these names."""

    settings: dict[str, Any]
    tuning: dict[str, Any]
    fired: str


class Orders:
    """Lines on standard input, obeyed as they come."""

    def __init__(self, fired: Path, store: str) -> None:
        self._fired = fired
        self._store = store
        self._rest = b""

    def wait_for_start(self) -> None:
        """Obey until told to start."""
        while "start" not in self._obey_all():
            pass

    def follow(self) -> None:
        """Obey from now on, within the running loop."""
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), self._obey_all)

    def _obey_all(self) -> list[str]:
        data = os.read(sys.stdin.fileno(), 65_536)
        if not data:
            os._exit(0)
        *lines, self._rest = (self._rest + data).split(b"\n")
        orders = [line.decode() for line in lines]
        for order in orders:
            self._obey(order)
        return orders

    def _obey(self, order: str) -> None:
        word, _, rest = order.partition(" ")
        if word == "arm":
            self._arm(*rest.split(":"))
        elif word == "tasks":
            click.echo(f"tasks={len(asyncio.all_tasks())}")

    def _arm(self, name: str, nth: str, action: str) -> None:
        times = itertools.count(1)
        act = partial(_fail, self._store) if action == "fail" else _ACTIONS[action]

        def reached() -> None:
            if next(times) == int(nth):
                self._fired.write_text(name)
                act()

        failpoints.arm(name, reached)


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _stall() -> None:
    time.sleep(STALL_SECONDS)


def _crash() -> None:
    _stall()
    _kill()


def _term() -> None:
    _stall()
    os.kill(os.getpid(), signal.SIGTERM)
    _stall()


def _freeze() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def _fail(store: str) -> None:
    if store.startswith("sqlite:"):
        raise sqlite.OperationalError("disk I/O error")
    raise asyncpg.PostgresIOError("could not write")


_ACTIONS: Final[dict[str, Callable[[], None]]] = {
    "kill": _kill,
    "stall": _stall,
    "crash": _crash,
    "term": _term,
    "freeze": _freeze,
}


async def _serve(config: Config, orders: Orders) -> None:
    webhooks = {"cloudmailin": ProviderSettings(basic=(CREDENTIALS,))}
    service = Service(Settings(webhooks=webhooks, **config.settings), Tuning(**config.tuning))
    with stop_on_signals() as stop:
        await service.start()
        orders.follow()
        grpc, http = service.grpc_address, service.http_address
        click.echo(f"msgstate is ready: grpc={grpc} http={http} store={config.settings['store']}")
        try:
            await service.run(stop)
        finally:
            await service.stop()


def main() -> None:
    """Wait for the order to start, then serve."""
    config = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Config)
    configure_logging()
    orders = Orders(Path(config.fired), config.settings["store"])
    orders.wait_for_start()
    asyncio.run(_serve(config, orders))


if __name__ == "__main__":
    main()
