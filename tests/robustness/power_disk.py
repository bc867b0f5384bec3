"""SQLite's own way to the disk, with every write recorded, and with faults that a test turns on.

The extension module of the driver exports the calls that find SQLite's default VFS. Its `xOpen` is replaced by one that
gives each file a copy of its methods, in which writing, truncating and syncing are ours: they call the originals, then
append a record to a file. Nothing is compiled, and the server is the real one.
"""

import ctypes
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pysqlite3._sqlite3

from tests.robustness.power_trace import Kind, Record

IOERR_WRITE: Final = 778
IOERR_FSYNC: Final = 1034
_STALL_PAUSE: Final = 0.01

_Pointer = ctypes.c_void_p
_Open = ctypes.CFUNCTYPE(ctypes.c_int, _Pointer, _Pointer, _Pointer, ctypes.c_int, _Pointer)
_Delete = ctypes.CFUNCTYPE(ctypes.c_int, _Pointer, ctypes.c_char_p, ctypes.c_int)
_Write = ctypes.CFUNCTYPE(ctypes.c_int, _Pointer, _Pointer, ctypes.c_int, ctypes.c_int64)
_Truncate = ctypes.CFUNCTYPE(ctypes.c_int, _Pointer, ctypes.c_int64)
_Sync = ctypes.CFUNCTYPE(ctypes.c_int, _Pointer, ctypes.c_int)


class _Methods(ctypes.Structure):
    """`sqlite3_io_methods`, of its third version."""

    _fields_ = (
        ("version", ctypes.c_int),
        ("close", _Pointer),
        ("read", _Pointer),
        ("write", _Write),
        ("truncate", _Truncate),
        ("sync", _Sync),
        ("others", _Pointer * 13),
    )


class _File(ctypes.Structure):
    """`sqlite3_file`, as far as it is the same for every VFS."""

    _fields_ = (("methods", ctypes.POINTER(_Methods)),)


class _Vfs(ctypes.Structure):
    """`sqlite3_vfs`, as far as it matters here."""

    _fields_ = (
        ("version", ctypes.c_int),
        ("file_size", ctypes.c_int),
        ("path_size", ctypes.c_int),
        ("next", _Pointer),
        ("name", ctypes.c_char_p),
        ("data", _Pointer),
        ("open", _Open),
        ("delete", _Delete),
    )


class Disk:
    """Records what is written into `trace`.

    While the file `fault` is there, what it says holds: `refuse` fails every write, `sync` fails the sync of every
    commit after its data was written, and `stall` lets no sync return.
    """

    def __init__(self, trace: Path, fault: Path) -> None:
        """Prepare; `install` turns it on for the life of the process."""
        self._trace = os.open(trace, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._fault = fault
        self._names: dict[int, str] = {}
        self._written: dict[int, int] = {}
        self._copies: dict[int, _Methods] = {}
        # What C calls must live as long as it may.
        self._kept: list[object] = []

    def install(self, database: Path) -> None:
        """Record what is there, and from now on what is done to every file that SQLite opens."""
        for suffix in ("", "-wal", "-journal"):
            path = database.with_name(database.name + suffix)
            kind, data = (Kind.STATE, path.read_bytes()) if path.exists() else (Kind.DELETE, b"")
            self._note(kind, path.name, time.monotonic_ns(), data=data)
        library = ctypes.CDLL(pysqlite3._sqlite3.__file__)  # noqa: SLF001
        library.sqlite3_vfs_find.restype = ctypes.POINTER(_Vfs)
        vfs = library.sqlite3_vfs_find(None).contents
        vfs.open = self._keep(_Open(self._opener(_Open(_address(vfs.open)))))
        vfs.delete = self._keep(_Delete(self._deleter(_Delete(_address(vfs.delete)))))

    def _opener(self, original: Callable[..., int]) -> Callable[..., int]:
        def opened(vfs: int, name: int | None, file: int, flags: int, out: int | None) -> int:
            path = os.fsdecode(ctypes.string_at(name)) if name else ""
            is_new, start = bool(path) and not Path(path).exists(), time.monotonic_ns()
            code = original(vfs, name, file, flags, out)
            if code == 0 and path:
                self._names[file] = Path(path).name
                handle = _File.from_address(file)
                handle.methods = ctypes.pointer(self._methods(handle.methods))
                if is_new:
                    self._note(Kind.CREATE, Path(path).name, start)
            return code

        return opened

    def _methods(self, original: Any) -> _Methods:
        """A copy of a file's methods with ours in it."""
        place = ctypes.addressof(original.contents)
        if place not in self._copies:
            methods = self._copies[place] = _Methods.from_buffer_copy(original.contents)
            methods.write = self._keep(_Write(self._writer(_Write(_address(original.contents.write)))))
            methods.truncate = self._keep(_Truncate(self._truncater(_Truncate(_address(original.contents.truncate)))))
            methods.sync = self._keep(_Sync(self._syncer(_Sync(_address(original.contents.sync)))))
        return self._copies[place]

    def _writer(self, original: Callable[..., int]) -> Callable[..., int]:
        def write(file: int, data: int, size: int, offset: int) -> int:
            if self._says("refuse"):
                return IOERR_WRITE
            start, code = time.monotonic_ns(), original(file, data, size, offset)
            if code == 0:
                self._written[file] = offset
                self._note(Kind.WRITE, self._names[file], start, offset, ctypes.string_at(data, size))
            return code

        return write

    def _truncater(self, original: Callable[..., int]) -> Callable[..., int]:
        def truncate(file: int, size: int) -> int:
            start, code = time.monotonic_ns(), original(file, size)
            if code == 0:
                self._note(Kind.TRUNCATE, self._names[file], start, size)
            return code

        return truncate

    def _syncer(self, original: Callable[..., int]) -> Callable[..., int]:
        def sync(file: int, flags: int) -> int:
            while self._says("stall"):
                time.sleep(_STALL_PAUSE)
            # A new round of the log syncs its head by itself, before anything of a commit is written.
            if self._names[file].endswith("-wal") and self._written.get(file) and self._says("sync"):
                return IOERR_FSYNC
            start, code = time.monotonic_ns(), original(file, flags)
            if code == 0:
                self._note(Kind.SYNC, self._names[file], start)
            return code

        return sync

    def _deleter(self, original: Callable[..., int]) -> Callable[..., int]:
        def delete(vfs: int, name: bytes, sync_folder: int) -> int:
            start, code = time.monotonic_ns(), original(vfs, name, sync_folder)
            if code == 0:
                self._note(Kind.DELETE, Path(os.fsdecode(name)).name, start, sync_folder)
            return code

        return delete

    def _note(self, kind: Kind, name: str, start: int, offset: int = 0, data: bytes = b"") -> None:
        os.write(self._trace, Record(kind, name, start, time.monotonic_ns(), offset, data).encode())

    def _says(self, word: str) -> bool:
        try:
            return self._fault.read_text() == word
        except FileNotFoundError:
            return False

    def _keep(self, callback: Any) -> Any:
        self._kept.append(callback)
        return callback


def _address(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0
