"""Power cuts: a real server's writes, syncs and acknowledgements, and every file that a cut could have left of them.

The page cache survives a SIGKILL, so killing a server does not test whether it syncs. Here its disk is recorded; the
files are rebuilt as they would be after a cut at many moments, opened by the real store, and held against what clients
had been told by then.
"""

import asyncio
import itertools
import json
import math
import shutil
import sys
import time
import zlib
from bisect import bisect
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import aclosing, closing
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

import grpc
import httpx

from msgstate.v1 import event_pb2
from msgstate_server.domain.errors import StoreUnusable
from msgstate_server.domain.log import LogEntry
from msgstate_server.store.check import Summary, check
from msgstate_server.store.sqlite import SqliteAuditor, SqliteStore
from tests.acceptance.server_process import ServerProcess, write_config
from tests.builders import append, event
from tests.robustness.power_server import STATUS_SECONDS
from tests.robustness.power_trace import DiskModel, Kind, Record, read_trace
from tests.robustness.tables import connect
from tests.rpc.running import DEADLINE, Client, connected, eventually
from tests.rpc.samples import ACCEPTED, DELIVERED, OPENED, SENT
from tests.webhooks.samples import cloudmailin_event

PUBLISHERS: Final = 3
PAGES: Final = 25
"""Pages of the write-ahead log after which it is checkpointed: a few batches."""
_DOUBLED: Final = 0.1
BATCHES: Final = 20
"""Acknowledgements without which the traffic of one start is too thin."""
HOOKS: Final = 5
"""The same of webhooks."""
CUTS: Final = 24
"""Moments of one pass over what was recorded."""
CREATION: Final = 60
"""Records of which some are of every pass: those that make the file."""
_ROOT: Final = Path(__file__).parents[2]
_TYPES: Final = (ACCEPTED, SENT, DELIVERED, OPENED)


class Finding(NamedTuple):
    """A rule that a power cut broke, and how."""

    rule: str
    what: str


@dataclass
class Report:
    """What was done and found."""

    seed: int
    power_cuts: int = 0
    checkpoints: int = 0
    acknowledged: int = 0
    hooks: int = 0
    floor: int = 0
    """Up to where retention had deleted the log of one store."""
    findings: list[Finding] = field(default_factory=list)

    def add(self, other: "Report") -> None:
        """Count what another campaign did too."""
        self.power_cuts += other.power_cuts
        self.checkpoints += other.checkpoints
        self.acknowledged += other.acknowledged
        self.hooks += other.hooks
        self.floor = max(self.floor, other.floor)
        self.findings += other.findings


class Acknowledgement(NamedTuple):
    """When a client had it in hand, on the system's monotonic clock in nanoseconds; and event ids by position.

    `repeated` is one of what a killed server was sent and did not answer.
    """

    time: int
    events: dict[int, str]
    repeated: bool = False


class Hook(NamedTuple):
    """A webhook that was acknowledged: when it was posted and when the answer was in hand, and its message's id.

    One part of it was understood, another is in quarantine.
    """

    posted: int
    time: int
    message_id: str


class Told(NamedTuple):
    """What clients had been told by the moment of a cut: event ids by position, and webhooks."""

    moment: int
    events: dict[int, str]
    hooks: list[Hook]


class RecordedServer(ServerProcess):
    """`msgstate serve` on a disk that is recorded, and that fails while `fault` says so."""

    def __init__(self, folder: Path, synchronous: str = "FULL", pages: int = PAGES, retention: str = "short") -> None:
        store = folder / "store" / "msgstate.db"
        store.parent.mkdir()
        super().__init__(store, write_config(folder / "server.toml", store), folder=_ROOT)
        self.fault = folder / "fault"
        self.traces: list[Path] = []
        self.synchronous, self._pages, self._retention = synchronous, str(pages), retention

    def fail(self, how: str) -> None:
        """Fail as `Disk` says, from now on."""
        self.fault.write_text(how)

    def mend(self) -> None:
        """Fail no more."""
        self.fault.unlink()

    def start(self) -> None:
        """Start it with a trace of its own."""
        self.traces.append(self.config.with_name(f"trace-{len(self.traces)}"))
        files = map(str, (self.config, self.store, self.traces[-1], self.fault))
        module = "tests.robustness.power_server"
        self._command = [sys.executable, "-m", module, *files, self.synchronous, self._pages, self._retention]
        super().start()


async def power_cuts(seconds: float, seed: int, folder: Path) -> Report:
    """Campaign after campaign, each with a seed of its own, for about so many seconds or until something is found."""
    total, began = Report(seed), time.monotonic()
    while not total.findings and time.monotonic() < began + seconds:
        own = folder / str(seed)
        own.mkdir()
        total.add(await campaign(own, seed, passes=10, traffic=3, until=began + seconds))
        shutil.rmtree(own)
        seed += 1
    return total


async def campaign(  # noqa: PLR0913  (how much of each)
    folder: Path,
    seed: int,
    *,
    synchronous: str = "FULL",
    starts: int = 2,
    passes: int = 1,
    traffic: float = 0.4,
    until: float = math.inf,
) -> Report:
    """Start a server so many times, each with so many seconds of traffic, then cut the power at `CUTS` moments a pass.

    No pass but the first begins after `until`, on the monotonic clock.

    `synchronous` other than FULL is a bug that the rule "acknowledged" must catch; then no unsynced write is left, of
    which pieces would break the file itself. The first finding ends it.
    """
    report, chance = Report(seed), Random(seed)  # noqa: S311  (a seeded choice)
    server = RecordedServer(folder, synchronous)
    sent = _Traffic(chance)
    try:
        for number in range(starts):
            await sent.run(server, number, traffic)
    finally:
        server.kill()
    records = read_trace(*server.traces)
    report.checkpoints = sum(record.kind is Kind.SYNC and record.name == server.store.name for record in records)
    for number in range(passes):
        if number and time.monotonic() > until:
            break
        for files, told in _cuts(records, sent, chance, pieces=synchronous == "FULL"):
            await _judge(folder / "cut", files, told, report)
            report.power_cuts += 1
            report.acknowledged = max(report.acknowledged, len(told.events))
            report.hooks = max(report.hooks, len(told.hooks))
            if report.findings:
                return report
    return report


class _Traffic:
    """Batches on their way to one server after the other, and all that was acknowledged."""

    def __init__(self, chance: Random) -> None:
        self.acknowledged: list[Acknowledgement] = []
        self.hooks: list[Hook] = []
        self._chance = chance
        self._unanswered: list[list[event_pb2.Event]] = []

    async def run(self, server: RecordedServer, number: int, seconds: float) -> None:
        """Publish to a server that is then killed after commits that could not be synced; every second is stopped."""
        await asyncio.to_thread(server.start)
        async with connected(server.grpc) as client:
            while self._unanswered:
                await self._send(client, self._unanswered.pop(), repeated=True)
            names = [f"s{number}p{own}" for own in range(PUBLISHERS)]
            publishers = [asyncio.create_task(self._publish(client, name)) for name in names]
            publishers.append(asyncio.create_task(self._post(server, f"hook{number}")))
            batches, hooks = len(self.acknowledged) + BATCHES, len(self.hooks) + HOOKS
            until = time.monotonic() + seconds
            await eventually(
                lambda: len(self.acknowledged) > batches and len(self.hooks) > hooks and time.monotonic() > until
            )
            if number % 2:
                await asyncio.to_thread(server.terminate)
            elif server.synchronous == "FULL":
                server.fail("sync")
                await asyncio.gather(*publishers)
                server.kill()
                server.mend()
            else:
                # What never syncs sees no sync fail.
                server.kill()
            await asyncio.gather(*publishers)

    async def _publish(self, client: Client, name: str) -> None:
        """Publish batch after batch, and now and then one that was published before, until the server takes none."""
        sent: list[list[event_pb2.Event]] = []
        chance = Random(f"{name}{self._chance.random()}")  # noqa: S311
        while True:
            if sent and chance.random() < _DOUBLED:
                batch = chance.choice(sent)
            else:
                batch = [_event(name, len(sent), number, chance) for number in range(chance.randrange(1, 20))]
                sent.append(batch)
            try:
                await self._send(client, batch)
            except grpc.aio.AioRpcError:
                self._unanswered.append(batch)
                return

    async def _post(self, server: RecordedServer, name: str) -> None:
        """Post webhook after webhook, each with a part that is not understood, until the server takes none."""
        async with httpx.AsyncClient(base_url=f"http://{server.http}", timeout=DEADLINE, trust_env=False) as http:
            for number in itertools.count():
                message_id, posted = f"{name}-{number}", time.monotonic_ns()
                body = {"events": [cloudmailin_event("delivery", message_id=message_id), message_id]}
                try:
                    answer = await http.post("/webhooks/cloudmailin", json=body, auth=("hook", "secret"))
                except httpx.HTTPError:
                    return
                if answer.status_code != HTTPStatus.OK:
                    return
                self.hooks.append(Hook(posted, time.monotonic_ns(), message_id))

    async def _send(self, client: Client, batch: list[event_pb2.Event], *, repeated: bool = False) -> None:
        response = await client.publish(*batch)
        told = time.monotonic_ns()
        positions = [result.position for result in response.results]
        events = {position: each.event_id for position, each in zip(positions, batch, strict=True)}
        self.acknowledged.append(Acknowledgement(told, events, repeated))


def _event(name: str, batch: int, number: int, chance: Random) -> event_pb2.Event:
    return event_pb2.Event(
        provider="power",
        message_id=f"{name}-{chance.randrange(100)}",
        recipient="to@example.com",
        type=chance.choice(_TYPES),
        event_id=f"{name}-{batch}-{number}",
        detail="d" * chance.randrange(500),
    )


def _cuts(
    records: Sequence[Record], sent: _Traffic, chance: Random, *, pieces: bool
) -> Iterator[tuple[dict[str, bytes], Told]]:
    """The files after cuts at moments spread over all that was recorded, each beside what was acknowledged by then.

    They are without any unsynced write; or, where `pieces` are wanted, half of them with pieces of some.
    """
    some = chance.sample(range(len(records)), min(CUTS, len(records)))
    ends = [record.end for record in records]
    repeated = (bisect(ends, each.time) - 1 for each in sent.acknowledged if each.repeated)
    moments = {*some, *repeated, *chance.sample(range(CREATION), CUTS // 6), len(records) - 1}
    waiting, hooks = deque(sorted(sent.acknowledged)), deque(sorted(sent.hooks, key=lambda hook: hook.time))
    disk, told = DiskModel(), Told(0, {}, [])
    for index, record in enumerate(records):
        disk.apply(record)
        # Until the next thing is begun, the disk stays as it is.
        until = max(record.end, records[index + 1].start if index + 1 < len(records) else sys.maxsize)
        while waiting and waiting[0].time <= until:
            told.events.update(waiting.popleft().events)
        while hooks and hooks[0].time <= until:
            told.hooks.append(hooks.popleft())
        if index in moments:
            yield (
                disk.after_power_cut(chance if pieces and chance.randrange(2) else None),
                told._replace(moment=record.end),
            )


async def _judge(folder: Path, files: dict[str, bytes], told: Told, report: Report) -> None:
    """Open what is left with the real store, read it, write to it, and prove that it agrees with itself."""
    _rebuild(folder, files)
    path = folder / "msgstate.db"
    findings = report.findings
    try:
        store = await SqliteStore.open(path)
    except StoreUnusable as error:
        findings.append(Finding("opens", str(error)))
        return
    try:
        head = store.head
        entries = {entry.position: entry for entry in await _log(store)}
        findings += await _missing_hooks(store, told)
        (outcome,) = await append(store, event(message_id="after-the-cut"))
    finally:
        await store.close()
    report.floor = max(report.floor, head.floor)
    findings += _missing(entries, head.floor, told.events)
    if list(entries) != list(range(head.floor + 1, head.position + 1)):
        findings.append(Finding("dense", f"{len(entries)} positions after {head.floor} up to {head.position}"))
    if outcome.position != head.position + 1:
        findings.append(Finding("head", f"the next event stands at {outcome.position}, after {head.position}"))
    async with SqliteAuditor(path).audit() as audit, aclosing(check(audit, Summary())) as found:  # type: ignore[type-var]
        findings += [Finding("check", f"{each.where}: {each.what}") async for each in found]


def _rebuild(folder: Path, files: dict[str, bytes]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)


def _missing(entries: dict[int, LogEntry], floor: int, told: dict[int, str]) -> list[Finding]:
    lost = [
        position
        for position, event_id in told.items()
        if position > floor and (position not in entries or entries[position].event.attributes.event_id != event_id)
    ]
    return [Finding("acknowledged", f"positions {lost[:5]} of {len(told)} acknowledged are not there")] if lost else []


async def _missing_hooks(store: SqliteStore, told: Told) -> list[Finding]:
    """Webhooks of which the status is not there, though too young to be forgotten, or the body in quarantine."""
    lost: list[str] = []
    for hook in told.hooks:
        is_young = told.moment - hook.posted < STATUS_SECONDS * 1_000_000_000
        if is_young and not await store.read_recipients(hook.message_id, "cloudmailin", "", 1):
            lost.append(f"the status of {hook.message_id}")
    with closing(connect(store.path)) as connection:
        bodies = [zlib.decompress(body) for (body,) in connection.execute("SELECT body FROM quarantine")]
    kept = {json.loads(body)["events"][1] for body in bodies}
    lost += [f"the body of {hook.message_id}" for hook in told.hooks if hook.message_id not in kept]
    return [Finding("acknowledged", f"{lost[:5]} of {len(told.hooks)} webhooks are not there")] if lost else []


async def _log(store: SqliteStore) -> list[LogEntry]:
    entries: list[LogEntry] = []
    while page := await store.read_log(entries[-1].position if entries else store.head.floor, 1_000):
        entries.extend(page)
    return entries
