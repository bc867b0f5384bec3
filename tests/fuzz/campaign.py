"""Runs every target for a while, counts the cases, and makes what broke a promise as small as it can be made."""

import asyncio
import hashlib
import random
import tempfile
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

from tests.acceptance import in_process, server_process
from tests.fuzz.calls import calls, some_request
from tests.fuzz.files import files
from tests.fuzz.hooks import hooks, some_body
from tests.fuzz.stores import stores
from tests.fuzz.wire import some_frame, wire

Case: TypeAlias = Callable[[bytes], Awaitable[None]]
Draw: TypeAlias = Callable[[random.Random], bytes]

CASE_SECONDS: Final = 60
"""By when a case must be over, whatever it does."""
_TRIES: Final = 200
_FOLDER: Final = Path("tmp")


class Drive(NamedTuple):
    """A target that is open: what runs a case, and what draws one."""

    case: Case
    draw: Draw


class Target(NamedTuple):
    """What is attacked: its share of the time, how many cases run at once, and how it is opened in a folder."""

    share: int
    at_once: int
    open: Callable[[Path], AbstractAsyncContextManager[Drive]]


@dataclass
class Finding:
    """An input that broke a promise, as small as it could be made."""

    target: str
    data: bytes
    error: str
    trace: str


@dataclass
class Report:
    """How many cases ran of each target, in how many seconds, and what was found."""

    seed: int
    cases: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


def some_choices(chance: random.Random) -> bytes:
    """Bytes for a target that reads its decisions from them."""
    return chance.randbytes(chance.choice((2, 4, 8, 16, 32, 64, 128)))


@asynccontextmanager
async def _bodies(folder: Path) -> AsyncIterator[Drive]:
    async with hooks(folder) as opened:
        yield Drive(opened.body, some_body)


@asynccontextmanager
async def _parts(folder: Path) -> AsyncIterator[Drive]:
    async with hooks(folder) as opened:
        yield Drive(opened.parts, some_choices)


@asynccontextmanager
async def _heads(folder: Path) -> AsyncIterator[Drive]:
    async with hooks(folder) as opened:
        yield Drive(opened.heads, some_choices)


@asynccontextmanager
async def _wire_heads(folder: Path) -> AsyncIterator[Drive]:
    async with wire(folder) as opened:
        yield Drive(opened.heads, some_choices)


@asynccontextmanager
async def _frames(folder: Path) -> AsyncIterator[Drive]:
    async with wire(folder) as opened:
        yield Drive(opened.frames, some_frame)


@asynccontextmanager
async def _requests(folder: Path) -> AsyncIterator[Drive]:
    async with calls(folder) as opened:
        yield Drive(opened.request, some_request)


@asynccontextmanager
async def _fields(folder: Path) -> AsyncIterator[Drive]:
    async with calls(folder) as opened:
        yield Drive(opened.fields, some_choices)


@asynccontextmanager
async def _streams(folder: Path) -> AsyncIterator[Drive]:
    async with calls(folder) as opened:
        yield Drive(opened.stream, some_choices)


@asynccontextmanager
async def _tokens(folder: Path) -> AsyncIterator[Drive]:
    async with calls(folder) as opened:
        yield Drive(opened.tokens, some_choices)


@asynccontextmanager
async def _files(folder: Path) -> AsyncIterator[Drive]:
    async with files(folder, in_process.run) as opened:
        yield Drive(opened.case, opened.some_file)


@asynccontextmanager
async def _processes(folder: Path) -> AsyncIterator[Drive]:
    async with files(folder, server_process.run) as opened:
        yield Drive(opened.case, opened.some_file)


@asynccontextmanager
async def _stores(folder: Path) -> AsyncIterator[Drive]:
    async with stores(folder) as opened:
        yield Drive(opened.case, some_choices)


TARGETS: Final = {
    "webhook bodies": Target(20, 32, _bodies),
    "webhook parts": Target(15, 32, _parts),
    "webhook heads": Target(12, 32, _heads),
    "http heads": Target(6, 16, _wire_heads),
    "http frames": Target(5, 32, _frames),
    "rpc bytes": Target(12, 16, _requests),
    "rpc fields": Target(12, 16, _fields),
    "rpc streams": Target(4, 64, _streams),
    "tokens": Target(12, 16, _tokens),
    # One at a time: a command owns its process's standard output.
    "files": Target(4, 1, _files),
    "file processes": Target(1, 1, _processes),
    "stores": Target(4, 1, _stores),
}


async def campaign(seconds: float, seed: int, names: list[str] | None = None) -> Report:
    """Attack the targets, all or those named, each for its share of the time."""
    report = Report(seed)
    chosen = {name: target for name, target in TARGETS.items() if not names or name in names}
    shares = sum(target.share for target in chosen.values())
    for name, target in chosen.items():
        await _attack(name, target, seconds * target.share / shares, report)
    return report


async def _attack(name: str, target: Target, seconds: float, report: Report) -> None:
    chance = random.Random(f"{report.seed} {name}")  # noqa: S311  (a seed that repeats)
    found: dict[str, tuple[bytes, Exception]] = {}
    count = 0
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        async with target.open(Path(folder)) as drive:
            started, cpu = time.monotonic(), time.process_time()
            while time.monotonic() - started < seconds:
                drawn = [drive.draw(chance) for _ in range(target.at_once)]
                for data, error in zip(
                    drawn, await asyncio.gather(*(run(drive.case, each) for each in drawn)), strict=True
                ):
                    if error is not None:
                        found.setdefault(_kind(error), (data, error))
                count += len(drawn)
            report.cases[name] = count
            report.seconds[name] = time.monotonic() - started
            report.cpu[name] = time.process_time() - cpu
            for data, error in found.values():
                report.findings.append(await _smallest(name, drive.case, data, error))


async def run(case: Case, data: bytes) -> Exception | None:
    """What a case raised."""
    try:
        async with asyncio.timeout(CASE_SECONDS):
            await case(data)
    except Exception as error:  # noqa: BLE001  (whatever it is, it is found)
        return error
    return None


def _kind(error: Exception) -> str:
    """What findings of one kind have in common."""
    return f"{type(error).__name__}: {str(error).partition('; found')[0][:80]}"


async def _smallest(name: str, case: Case, data: bytes, error: Exception) -> Finding:
    """Take pieces out of the input as long as it breaks the same promise."""
    tries, size = _TRIES, len(data) // 2
    while size and tries:
        at = 0
        while at < len(data) and tries:
            tries -= 1
            shorter = data[:at] + data[at + size :]
            again = await run(case, shorter)
            if again is not None and _kind(again) == _kind(error):
                data, error = shorter, again
            else:
                at += size
        size //= 2
    return Finding(name, data, str(error) or repr(error), "".join(traceback.format_exception(error)))


async def repeat(name: str, data: bytes) -> Exception | None:
    """Run one case anew."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        async with TARGETS[name].open(Path(folder)) as drive:
            return await run(drive.case, data)


def keep(finding: Finding) -> Path:
    """Write the input into `tmp` below the working folder; gives the file."""
    with suppress(FileExistsError):
        _FOLDER.mkdir()
    digest = hashlib.sha256(finding.data).hexdigest()[:8]
    file = _FOLDER / f"fuzz-{finding.target.replace(' ', '-')}-{digest}"
    file.write_bytes(finding.data)
    return file


def table(report: Report) -> list[str]:
    """The report as lines of text."""
    lines = [f"{'target':<16}{'cases':>9}{'seconds':>9}{'cases/s':>9}{'per CPU s':>11}{'findings':>10}"]
    for name, cases in report.cases.items():
        findings = sum(finding.target == name for finding in report.findings)
        rate, by_cpu = cases / report.seconds[name], cases / max(report.cpu[name], 0.001)
        lines.append(f"{name:<16}{cases:>9,}{report.seconds[name]:>9.1f}{rate:>9,.0f}{by_cpu:>11,.0f}{findings:>10}")
    total = sum(report.cases.values())
    lines.append(f"{'all':<16}{total:>9,}{sum(report.seconds.values()):>9.1f}{'':>20}{len(report.findings):>10}")
    for finding in report.findings:
        lines += ["", f"{finding.target}: {finding.error[:600]}", finding.trace[-1_500:]]
        lines.append(f"again: .venv/bin/python -m tests.fuzz again '{finding.target}' {keep(finding)}")
    return lines
