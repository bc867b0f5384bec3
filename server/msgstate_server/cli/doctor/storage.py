"""The store: whether it can be opened, and whether there is room for it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgstate_server.cli.doctor.finding import Finding, failed, ok, warning
from msgstate_server.domain.errors import StoreUnusable
from msgstate_server.store.opening import upkeep, without_password
from msgstate_server.store.upkeep import Condition, Space

_MIB: Final = 1_048_576
_LITTLE: Final = 1024 * _MIB
_TOO_LITTLE: Final = 64 * _MIB
_MUCH_FREE: Final = 64 * _MIB
_REMOTE: Final = ("nfs", "cifs", "smb", "9p", "fuse.sshfs", "ceph", "glusterfs", "afs")
_MOUNTS: Final = Path("/proc/self/mounts")


def storage(url: str, now: int) -> Iterator[Finding]:
    """Everything about the store; `now` in microseconds since 1970."""
    shown = without_password(url)
    try:
        condition = upkeep(url).condition()
    except StoreUnusable as error:
        yield failed("store", str(error), "")
        return
    yield _schema(shown, condition)
    if condition.engine:
        yield ok("database", condition.engine)
    for found, mend in condition.risks:
        yield warning("database", found, mend)
    if condition.server:
        yield ok("server", f"process {condition.server} serves this store")
    if condition.commit_time > now:
        seconds = (condition.commit_time - now) / 1_000_000
        found = f"the log's last event was committed {seconds:.0f} s ahead of this machine's clock"
        yield warning("clock", found, "set the clock: until then new events get that time")
    if condition.space is not None:
        yield _space(condition.space, url)
    if condition.folder is not None:
        yield from _folder(condition.folder)


def _schema(shown: str, condition: Condition) -> Finding:
    if not condition.exists:
        missing = "has nothing of msgstate yet" if condition.engine else "is not there yet"
        return ok("store", f"{shown} {missing}; `msgstate serve` makes it")
    if condition.pending == condition.later != []:
        found = f"{shown}, its schema as this version needs it; {', '.join(condition.pending)} waits"
        return ok("store", f"{found} for `msgstate migrate --post`")
    if condition.pending:
        found = f"{shown} lacks {', '.join(condition.pending)}"
        return warning("store", found, "`msgstate serve` applies it when it starts; make a backup first")
    return ok("store", f"{shown}, its schema up to date")


def _space(space: Space, url: str) -> Finding:
    found = f"{space.size // _MIB} MiB, of which {space.free // _MIB} MiB are free for new events"
    if space.shrinks or space.free < max(_MUCH_FREE, space.size // 4):
        return ok("file", found)
    return warning("file", found, f"to give them back, stop the server and run: msgstate compact-file --store {url}")


def _folder(folder: Path) -> Iterator[Finding]:
    if not folder.is_dir():
        yield failed("disk", f"the folder {folder} is not there", f"run: mkdir -p {folder}")
        return
    if not os.access(folder, os.W_OK | os.X_OK):
        yield failed("disk", f"this user may not write in {folder}", "give the folder to the user that runs msgstate")
        return
    kind = _file_system(folder)
    if kind.startswith(_REMOTE):
        yield warning("disk", f"{folder} is on {kind}", "keep the store on a local disk: locks on others are not safe")
    free = shutil.disk_usage(folder).free
    found = f"{free // _MIB} MiB free in {folder}"
    if free < _TOO_LITTLE:
        yield failed("disk", found, "make room")
    elif free < _LITTLE:
        yield warning("disk", found, "make room: the log grows with every event")
    else:
        yield ok("disk", found)


def _file_system(folder: Path) -> str:
    """What kind of file system the folder is on; empty where the system does not say."""
    if not _MOUNTS.exists():
        return ""
    mounts = [line.split()[1:3] for line in _MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()]
    within = [(len(place), kind) for place, kind in mounts if folder.is_relative_to(place)]
    return max(within)[1] if within else ""
