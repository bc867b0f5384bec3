"""What was written to a disk and synced, in its order, and what a power cut at any moment would have left of it."""

import struct
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

_HEADER: Final = struct.Struct("<BBqqqI")
_SECTOR: Final = 512


class Kind(IntEnum):
    """What was done to a file."""

    CREATE = 1
    WRITE = 2
    TRUNCATE = 3
    SYNC = 4
    DELETE = 5
    STATE = 6


class Record(NamedTuple):
    """One thing done: from `start` to `end` of the system's monotonic clock, in nanoseconds.

    `offset` is where a write begins, the size that a truncated file has, or 1 where a deletion was made durable at
    once. A STATE is all that a file held when the recording process began.
    """

    kind: Kind
    name: str
    start: int
    end: int
    offset: int
    data: bytes

    def encode(self) -> bytes:
        """The record as it stands in a trace."""
        name = self.name.encode()
        header = _HEADER.pack(self.kind, len(name), self.start, self.end, self.offset, len(self.data))
        return header + name + self.data


def read_trace(*files: Path) -> list[Record]:
    """The records of processes that ran one after the other, in the order in which they were done."""
    records = [record for file in files for record in _records(file.read_bytes())]
    return sorted(records, key=lambda record: record.end)


def _records(content: bytes) -> Iterator[Record]:
    """The records of one process; one that was killed may leave half of its last."""
    place = 0
    while place + _HEADER.size <= len(content):
        kind, name_size, start, end, offset, size = _HEADER.unpack_from(content, place)
        data = place + _HEADER.size + name_size
        if data + size > len(content):
            return
        name = content[place + _HEADER.size : data].decode()
        yield Record(Kind(kind), name, start, end, offset, content[data : data + size])
        place = data + size


class _Inode:
    """A file: what is on the disk, and what was done to it since."""

    def __init__(self) -> None:
        self.durable = bytearray()
        self.pending: list[Record] = []
        self.is_new = True

    def seen(self) -> bytearray:
        """What programs read."""
        content = bytearray(self.durable)
        for record in self.pending:
            _do(record, content)
        return content

    def sync(self, start: int) -> None:
        for record in self.pending:
            if record.end <= start:
                _do(record, self.durable)
        self.pending = [record for record in self.pending if record.end > start]

    def torn(self, chance: Random) -> bytearray:
        """Each write kept, dropped or cut at a sector, as a disk that was not told to sync may have it."""
        content = bytearray(self.durable)
        for record in self.pending:
            fate = chance.choice(("lost", "torn", "kept"))
            if fate == "torn" and record.kind is Kind.WRITE:
                sectors = chance.randrange(len(record.data) // _SECTOR + 1)
                _do(record._replace(data=record.data[: _SECTOR * sectors]), content)
            elif fate != "lost":
                _do(record, content)
        return content


def _do(record: Record, content: bytearray) -> None:
    size = record.offset if record.kind is Kind.TRUNCATE else record.offset + len(record.data)
    if len(content) < size:
        content.extend(bytes(size - len(content)))
    if record.kind is Kind.TRUNCATE:
        del content[size:]
    else:
        content[record.offset : size] = record.data


class DiskModel:
    """The files of one folder as programs see them, and as the disk has them."""

    def __init__(self) -> None:
        """Start with an empty folder."""
        self._seen: dict[str, _Inode] = {}
        self._linked: dict[str, _Inode] = {}

    def apply(self, record: Record) -> None:
        """Do what was done."""
        match record.kind:
            case Kind.CREATE:
                self._seen[record.name] = _Inode()
            case Kind.WRITE | Kind.TRUNCATE:
                self._seen[record.name].pending.append(record)
            case Kind.SYNC:
                self._sync(record)
            case Kind.DELETE:
                self._seen.pop(record.name, None)
                if record.offset:
                    self._linked = dict(self._seen)
            case Kind.STATE:
                self._find(record)

    def _sync(self, record: Record) -> None:
        inode = self._seen[record.name]
        inode.sync(record.start)
        self._linked[record.name] = inode
        if inode.is_new and record.name.endswith(("-wal", "-journal")):
            # With the first sync of a log of its own, SQLite syncs the folder.
            self._linked = dict(self._seen)
        inode.is_new = False

    def _find(self, record: Record) -> None:
        """Take over what a killed process did and could not record."""
        inode = self._seen.setdefault(record.name, _Inode())
        inode.is_new = False
        if inode.seen() != record.data:
            inode.pending.append(record._replace(kind=Kind.TRUNCATE, offset=len(record.data), data=b""))
            inode.pending.append(record._replace(kind=Kind.WRITE, offset=0))

    def after_power_cut(self, chance: Random | None) -> dict[str, bytes]:
        """The files that are left: without what was not synced or, by chance, with some of it in pieces."""
        left: dict[str, bytes] = {}
        for name in sorted(self._linked.keys() | self._seen.keys()):
            inode = self._linked.get(name)
            if chance is not None and chance.randrange(2):
                inode = self._seen.get(name)
            if inode is not None:
                left[name] = bytes(inode.durable if chance is None else inode.torn(chance))
        return left
