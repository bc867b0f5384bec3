"""One server with all that is around it: the network, the clients, the record of what they saw, the file's archive."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from msgstate.v1 import event_service_pb2_grpc
from tests.robustness.archive import Archive
from tests.robustness.clients import connected
from tests.robustness.habits import HABITS
from tests.robustness.history import History, now
from tests.robustness.host import Host
from tests.robustness.mail import Mail
from tests.robustness.proxy import Proxy
from tests.robustness.publishers import Calling, Posting, Streaming
from tests.robustness.readers import Reader
from tests.robustness.watchers import Watcher

LOG_SECONDS: Final = 2
STATUS_SECONDS: Final = 4
SETTINGS: Final[dict[str, Any]] = {
    "log_retention": f"{LOG_SECONDS}s",
    "status_retention": f"{STATUS_SECONDS}s",
    "payload_retention": f"{LOG_SECONDS}s",
}
TUNING: Final[dict[str, Any]] = {
    "watch_window": 8,
    "watch_page": 5,
    "retention_seconds": 0.2,
    "retention_rows": 50,
}
_POLL_SECONDS: Final = 0.02


class Arena:
    """What faults act on, and the clients that must not notice."""

    def __init__(self, folder: Path, seed: int, code: Path | None, patience: float) -> None:
        self.patience = patience
        """How many seconds anything may take that must happen."""
        self.history = History()
        self.chosen = random.Random(seed)  # noqa: S311
        self.counts: Counter[str] = Counter()
        self.idle_tasks = 0
        """How many tasks a server runs that has no clients."""
        self.host = Host(folder, SETTINGS, TUNING, code)
        self.archive = Archive(self.host.store)
        self.grpc = Proxy(self._random())
        self.http = Proxy(self._random())
        self._mail = Mail(self._random())
        self._publishers: list[Calling | Streaming | Posting] = [
            Calling("caller", "shop", self._mail, self.history, self._random()),
            Calling("other caller", "other", self._mail, self.history, self._random()),
            Streaming("streamer", "shop", self._mail, self.history, self._random()),
            Posting("poster", "cloudmailin", self._mail, self.history, self._random()),
        ]
        self._probe = Calling("probe", "shop", self._mail, self.history, self._random())
        readers = [f"reader {number}" for number in range(2)]
        self._readers = [Reader(name, self._mail, self.history, self._random()) for name in readers]
        self.watchers = [Watcher(habit, self.history, self.archive, self._random()) for habit in HABITS]
        self._stopping = asyncio.Event()
        self._tasks: dict[asyncio.Task[None], str] = {}
        self._watching: dict[asyncio.Task[None], str] = {}

    def _random(self) -> random.Random:
        return random.Random(self.chosen.getrandbits(64))  # noqa: S311

    async def open(self) -> None:
        """Start the server and all clients."""
        await self.grpc.start()
        await self.http.start()
        await self.restart()
        self.idle_tasks = await self.host.tasks()
        self._tasks[asyncio.create_task(self.archive.run())] = "archive"
        for publisher in self._publishers:
            address = self.http.address if isinstance(publisher, Posting) else self.grpc.address
            self._tasks[asyncio.create_task(publisher.run(address, self._stopping))] = "traffic"
        for reader in self._readers:
            self._tasks[asyncio.create_task(reader.run(self.grpc.address, self._stopping))] = "traffic"
        for watcher in self.watchers:
            task = asyncio.create_task(watcher.run(self.grpc.address, self._stopping))
            self._watching[task] = watcher.habit.name

    async def restart(self) -> None:
        """Start a server where none runs, behind the same addresses."""
        process = await self.host.start()
        self.grpc.target, self.http.target = process.grpc, process.http

    async def write(self) -> int:
        """Publish one event more, and give its position; fails with `TimeoutError` where that cannot be done."""
        facts = (self._mail.last(),)
        async with asyncio.timeout(self.patience), connected(self.grpc.address) as channel:
            stub = event_service_pb2_grpc.EventServiceStub(channel)
            while not await self._probe.publish(stub, facts):
                pass
        return self._probe.last_position

    async def until(self, condition: Callable[[], bool]) -> bool:
        """Whether the condition comes to hold in time."""
        deadline = now() + self.patience
        while not condition():
            if now() > deadline:
                return False
            self._raise_what_ended()
            await asyncio.sleep(_POLL_SECONDS)
        return True

    async def end_traffic(self) -> None:
        """Let senders see their last batch acknowledged, and readers end; watchers go on."""
        self._stopping.set()
        traffic = [task for task, name in self._tasks.items() if name == "traffic"]
        _, late = await asyncio.wait(traffic, timeout=self.patience)
        if late:
            self.history.find("last_write_succeeds", f"{len(late)} clients do not come to an end")

    async def end_watches(self) -> None:
        """Let all watchers disconnect."""
        await _end(list(self._watching))

    async def close(self) -> None:
        """End everything, however far it came."""
        await _end([*self._watching, *self._tasks])
        await self.grpc.close()
        await self.http.close()
        self.host.close()

    def _raise_what_ended(self) -> None:
        """A client that fails by itself is a fault of the harness."""
        for task in (*self._tasks, *self._watching):
            if task.done() and not task.cancelled():
                task.result()


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def opened(folder: Path, seed: int, code: Path | None, patience: float) -> AsyncIterator[Arena]:
    """An arena in which everything runs; ended with the block."""
    arena = Arena(folder, seed, code, patience)
    try:
        await arena.open()
        yield arena
    finally:
        await arena.close()
