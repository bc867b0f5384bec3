"""How far a command is, as a bar on standard error, where that is a terminal."""

import os
import stat
import sys
from typing import TYPE_CHECKING, BinaryIO, Final, Self

if TYPE_CHECKING:
    from rich import progress as rich_progress

LONG: Final = 5_000
"""Events after which an input is long."""


class Progress:
    """A bar that appears once an input proves long; nothing where nobody would see it."""

    def __init__(self, file: BinaryIO) -> None:
        """Prepare; an input of unknown size gets a bar without an end."""
        self._file = file
        self._published = 0
        self._bar: rich_progress.Progress | None = None
        self._task: rich_progress.TaskID | None = None

    def advance(self, count: int) -> None:
        """So many more events were published."""
        self._published += count
        if self._published < LONG or not sys.stderr.isatty():
            return
        size = _size(self._file)
        if self._bar is None:
            self._bar = _bar()
            self._task = self._bar.add_task("publishing", total=size or None, counted="")
            self._bar.start()
        assert self._task is not None  # noqa: S101  (it is made with the bar)
        counted = f"{self._published:,} events"
        self._bar.update(self._task, completed=self._file.tell() if size else 0, counted=counted)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()


class Steps:
    """A bar for each of several steps, one after the other; nothing where nobody would see it."""

    def __init__(self) -> None:
        """Prepare."""
        self._bar: rich_progress.Progress | None = None
        self._tasks: dict[str, rich_progress.TaskID] = {}

    def __call__(self, step: str, done: int, total: int) -> None:
        """So many rows of so many are done in a step."""
        if not sys.stderr.isatty():
            return
        if self._bar is None:
            self._bar = _bar()
            self._bar.start()
        if step not in self._tasks:
            self._tasks[step] = self._bar.add_task(step, total=total, counted="")
        self._bar.update(self._tasks[step], completed=done, counted=f"{done:,} of {total:,} rows")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()


def _size(file: BinaryIO) -> int:
    """Bytes of a file on disk; 0 of anything else."""
    found = os.fstat(file.fileno())
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


def _bar() -> "rich_progress.Progress":
    from rich.console import Console  # noqa: PLC0415  (rich is slow to import)
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[counted]}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        # Lines that are refused go above the bar where they are on the same screen, and untouched into a pipe.
        redirect_stdout=sys.stdout.isatty(),
        transient=True,
    )
