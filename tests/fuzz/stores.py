"""Damaged files as a target: whatever was done to a store, `check`, `doctor`, `migrate` and a start end with words."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple

from msgstate_server.domain.decision import Problem
from msgstate_server.domain.errors import StoreUnusable
from msgstate_server.store.sqlite import SqliteStore
from tests.acceptance.in_process import run
from tests.builders import append, event, numbered, payload, submission
from tests.fuzz.choices import Choices
from tests.fuzz.promise import require

SECONDS: Final = 30
_PAGE: Final = 4096
_HEADER: Final = 100
_COMMANDS: Final = (
    ("check", "--json"),
    ("check",),
    ("doctor", "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0"),
    ("migrate",),
    ("migrate", "--plan"),
)
_ODD: Final = (b"\0", b"\xff", b"\x7f", b"\x80", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"[", b'"')


class _Files(NamedTuple):
    """A file and its write-ahead log, which may be empty."""

    database: bytes
    log: bytes


class Stores:
    """Small stores to be damaged: one that was closed, one whose server was killed."""

    def __init__(self, folder: Path, files: list[_Files]) -> None:
        self._folder = folder
        self._files = files

    async def case(self, data: bytes) -> None:
        """Damage a store as the bytes say, then have it looked at or opened."""
        choices = Choices(data)
        store = self._put(choices)
        chosen = choices.number(len(_COMMANDS) + 1)
        if chosen == len(_COMMANDS):
            await _open(store)
            return
        arguments = (*_COMMANDS[chosen], "--store", f"sqlite:///{store}")
        async with asyncio.timeout(SECONDS):
            # `check` has an event loop of its own.
            done = await asyncio.to_thread(run, *arguments, folder=self._folder)
        told = done.stdout + done.stderr
        require(done.returncode in (0, 1), "a command on a damaged file ends with 0 or 1", done.returncode, told)
        require(told.strip() != "", "a command on a damaged file says what it found", arguments)

    def _put(self, choices: Choices) -> Path:
        """The store, damaged, in a place of its own."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir()
        store = self._folder / "msgstate.db"
        files = choices.pick(self._files)
        is_log = bool(files.log) and choices.number(2) == 0
        store.write_bytes(files.database if is_log else _damaged(choices, files.database))
        if files.log:
            store.with_name("msgstate.db-wal").write_bytes(_damaged(choices, files.log) if is_log else files.log)
        return store


def _damaged(choices: Choices, content: bytes) -> bytes:
    """Some bytes flipped or replaced, pages doubled or blank, or the end cut off."""
    changed = bytearray(content)
    for _ in range(1 + choices.number(4)):
        page = choices.number(len(content) // _PAGE + 1) * _PAGE
        # What stands first, and so in a header, is worth most.
        at = page + (choices.number(_HEADER) if choices.number(2) else choices.number(_PAGE))
        match choices.number(8):
            case 0:
                changed[page : page + _PAGE] = bytes(_PAGE)
            case 1:
                other = choices.number(len(content) // _PAGE + 1) * _PAGE
                changed[page : page + _PAGE] = content[other : other + _PAGE]
            case 2:
                del changed[at:]
            case 3 | 4:
                odd = choices.pick(_ODD)
                changed[at : at + len(odd)] = odd
            case _ if at < len(changed):
                changed[at] ^= 1 << choices.number(8)
    return bytes(changed)


async def _open(store: Path) -> None:
    """Open it as `serve` does."""
    try:
        opened = await SqliteStore.open(store)
    except StoreUnusable as error:
        require(str(store) in str(error), "a file that is not served is named", error)
    else:
        await opened.close()


@asynccontextmanager
async def stores(folder: Path) -> AsyncIterator[Stores]:
    """A store with a little of everything, as it was closed and as it was when its server was killed."""
    path = folder / "whole.db"
    store = await SqliteStore.open(path)
    await append(store, *numbered(60, messages=20))
    killed = [path.read_bytes(), path.with_name("whole.db-wal").read_bytes()]
    body = payload(b"{}" * 500)
    brought = event(message_id="hook", aliases=["alias"], metadata={"a": "b"}, detail="d" * 500)
    await store.append([submission(brought, payload=body, problems=[Problem("/1", "odd")])])
    await store.close()
    yield Stores(folder / "damaged", [_Files(path.read_bytes(), b""), _Files(killed[0], killed[1])])
