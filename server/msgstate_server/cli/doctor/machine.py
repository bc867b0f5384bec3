"""The machine: Python, the libraries and the clock."""

import ctypes
import platform
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from pysqlite3 import dbapi2

import msgstate
from msgstate_server.cli.doctor.finding import Finding, failed, ok, warning
from msgstate_server.domain.errors import StoreUnusable
from msgstate_server.store.sqlite.connection import require_safe_library

OLDEST_PYTHON: Final = (3, 11)
_GRPC: Final = ("grpcio", "grpcio-status", "grpcio-health-checking", "grpcio-reflection")
_INSTALL: Final = "install the extra `server` from where msgstate came: pip install '/path/to/msgstate[server]'"
_OTHERS: Final = ("protobuf", "sqlite-utils", "msgspec", "starlette", "uvicorn")
_UNSYNCHRONIZED: Final = 5
"""What the kernel answers, TIME_ERROR, where nothing keeps its clock right."""
_TIMEX_BYTES: Final = 1024
"""More than `struct timex` takes anywhere."""


def machine() -> Iterator[Finding]:
    """Everything about the machine itself."""
    yield _python()
    yield from _libraries()
    yield _sqlite()
    yield _clock()


def _python() -> Finding:
    found = platform.python_version()
    if sys.version_info < OLDEST_PYTHON:
        return failed("python", found, "install Python 3.11 or newer")
    return ok("python", found)


def _libraries() -> Iterator[Finding]:
    versions = {name: _version(name) for name in (*_GRPC, *_OTHERS)}
    missing = [name for name, found in versions.items() if not found]
    if missing:
        yield failed(
            "libraries",
            f"not installed: {', '.join(missing)}",
            _INSTALL,
        )
        return
    # Health and reflection may lag behind by a patch release, which is harmless.
    family = {tuple(versions[name].split(".")[:2]) for name in _GRPC}
    if len(family) > 1:
        found = ", ".join(f"{name} {versions[name]}" for name in _GRPC)
        yield failed("libraries", found, "install the grpcio family at one minor version: a mixed set may not start")
        return
    named = ("grpcio", *_OTHERS)
    yield ok(
        "libraries", ", ".join((f"msgstate {msgstate.__version__}", *(f"{name} {versions[name]}" for name in named)))
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _sqlite() -> Finding:
    try:
        require_safe_library()
    except StoreUnusable as error:
        found, _, mend = str(error).partition(". ")
        return failed("sqlite", found, mend)
    return ok("sqlite", dbapi2.sqlite_version)


def _clock() -> Finding:
    now = datetime.now(UTC)
    installed = datetime.fromtimestamp(Path(__file__).stat().st_mtime, UTC)
    found = now.isoformat(timespec="seconds").replace("+00:00", "Z")
    mend = "set the clock: signatures of webhooks are refused where it is more than 300 s off"
    if now < installed:
        return failed("clock", f"{found}, which is before this program was installed", mend)
    if _kernel_answer() == _UNSYNCHRONIZED:
        return warning(
            "clock", f"{found}, and nothing on this machine keeps it right", f"run an NTP service, or {mend}"
        )
    return ok("clock", found)


def _kernel_answer() -> int:
    """How the kernel rates its clock; -1 where it does not say."""
    try:
        return int(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES)))
    except (AttributeError, OSError):
        return -1
