"""The servers with all that is around them: networks, clients, the record of what these saw, the log's archive."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from tests.robustness.archive import Archive
from tests.robustness.clients import Servers
from tests.robustness.engines import Database
from tests.robustness.habits import HABITS
from tests.robustness.history import History, now
from tests.robustness.mail import Mail
from tests.robustness.model import Periods
from tests.robustness.proxy import Proxy
from tests.robustness.publishers import Calling, Doubling, Posting, Streaming
from tests.robustness.readers import Reader
from tests.robustness.replica import Replica
from tests.robustness.watchers import Watcher

TUNING: Final[dict[str, Any]] = {
    "watch_window": 8,
    "watch_page": 5,
    "retention_seconds": 0.2,
    "retention_rows": 50,
}
_POLL_SECONDS: Final = 0.02


class Arena:
    """What faults act on, and the clients that must not notice."""

    def __init__(self, folder: Path, database: Database, seed: int, code: Path | None, patience: float) -> None:
        self.patience = patience
        """How many seconds anything may take that must happen."""
        self.database = database
        self.history = History()
        self.chosen = random.Random(seed)  # noqa: S311
        self.counts: Counter[str] = Counter()
        self.longest: dict[str, float] = {}
        """Seconds that something took at most, by what it was."""
        self.archive = Archive(database.tables)
        self.replicas = [self._replica(number) for number in range(database.replicas)]
        self._folder = folder
        self._code = code
        self._mail = Mail(self._random())
        self._publishers: list[Calling | Streaming | Posting] = [
            Calling("caller", "shop", self._mail, self.history, self._random()),
            Calling("other caller", "other", self._mail, self.history, self._random()),
            Streaming("streamer", "shop", self._mail, self.history, self._random()),
            Posting("poster", "cloudmailin", self._mail, self.history, self._random()),
        ]
        if self.are_several:
            self._publishers += [
                Calling(f"caller {number}", "shop", self._mail, self.history, self._random()) for number in range(2)
            ]
            self._publishers.append(Doubling("doubler", "shop", self._mail, self.history, self._random()))
        self._probe = Calling("probe", "shop", self._mail, self.history, self._random())
        readers = [f"reader {number}" for number in range(2)]
        self._readers = [Reader(name, self._mail, self.history, self._random()) for name in readers]
        self.watchers = [Watcher(habit, self.history, self.archive, self._random()) for habit in HABITS]
        self._stopping = asyncio.Event()
        self._tasks: dict[asyncio.Task[None], str] = {}
        self._watching: dict[asyncio.Task[None], str] = {}

    def _random(self) -> random.Random:
        return random.Random(self.chosen.getrandbits(64))  # noqa: S311

    def _replica(self, number: int) -> Replica:
        grpc, http = Proxy(self._random()), Proxy(self._random())
        return Replica(f"replica {number}", grpc, http, [Proxy(self._random()) for _ in self.database.addresses])

    @property
    def are_several(self) -> bool:
        """Whether several servers share the database."""
        return len(self.replicas) > 1

    def any_replica(self) -> Replica:
        """One of them at random; with only one nothing is left to chance."""
        return self.chosen.choice(self.replicas) if self.are_several else self.replicas[0]

    async def open(self) -> None:
        """Start the servers and all clients."""
        settings = _settings(self.database.periods)
        for replica in self.replicas:
            folder = self._folder / replica.name if self.are_several else self._folder
            folder.mkdir(exist_ok=True)
            await replica.open(folder, self.database, settings, TUNING, self._code)
        self._tasks[asyncio.create_task(self.archive.run())] = "archive"
        for publisher in self._publishers:
            servers = self._servers("http" if isinstance(publisher, Posting) else "grpc")
            self._tasks[asyncio.create_task(publisher.run(servers, self._stopping))] = "traffic"
        for reader in self._readers:
            self._tasks[asyncio.create_task(reader.run(self._servers("grpc"), self._stopping))] = "traffic"
        for watcher in self.watchers:
            task = asyncio.create_task(watcher.run(self._servers("grpc"), self._stopping))
            self._watching[task] = watcher.habit.name

    def _servers(self, way_in: str) -> Servers:
        addresses = [getattr(replica, way_in).address for replica in self.replicas]
        return Servers(addresses, self._random() if self.are_several else self.chosen)

    async def write(self, replica: Replica) -> int:
        """Publish one event more, and give its position; fails with `TimeoutError` where that cannot be done."""
        facts = (self._mail.last(),)
        servers = Servers([replica.grpc.address], self.chosen)
        async with asyncio.timeout(self.patience), servers.connected():
            while not await self._probe.publish(servers, facts):
                pass
        return self._probe.last_position

    async def until(self, condition: Callable[[], bool], times: int = 1) -> bool:
        """Whether the condition comes to hold within `times` as long as anything may take."""
        deadline = now() + times * self.patience
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
        for replica in self.replicas:
            await replica.close()

    def _raise_what_ended(self) -> None:
        """A client that fails by itself is a fault of the harness."""
        for task in (*self._tasks, *self._watching):
            if task.done() and not task.cancelled():
                task.result()


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _settings(periods: Periods) -> dict[str, Any]:
    log, status = (f"{(period or 0) // 1_000_000}s" for period in periods)
    return {"log_retention": log, "status_retention": status, "payload_retention": log}


@asynccontextmanager
async def opened(
    folder: Path, database: Database, seed: int, code: Path | None, patience: float
) -> AsyncIterator[Arena]:
    """An arena in which everything runs; ended with the block."""
    arena = Arena(folder, database, seed, code, patience)
    try:
        await arena.open()
        yield arena
    finally:
        await arena.close()
