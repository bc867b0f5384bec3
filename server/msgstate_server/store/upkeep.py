"""What keeping a store asks of its engine, beside serving it."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol


class Space(NamedTuple):
    """The space that a file takes on its disk, in bytes."""

    size: int
    free: int
    """What is free within the file; new events fill it."""
    shrinks: bool
    """Whether the server gives free space back to the file system."""


class Condition(NamedTuple):
    """How a store is, seen from outside; a server may run on it."""

    exists: bool
    """Whether it holds anything of msgstate."""
    pending: list[str]
    """The migrations that it lacks, in order."""
    server: str
    """The process that serves it; empty where none does."""
    folder: Path | None
    """Where its files stand; None where it has none."""
    commit_time: int
    """When the log's last event was committed, in microseconds; 0 where there is none, or migrations are pending."""
    later: list[str] | None = None
    """Those pending ones that only `post` applies, once no server of the version before runs on the store; None where
    one server alone ever runs on it, and all are applied at once."""
    engine: str = ""
    """The database server and its version; empty where a library of this program is all there is."""
    space: Space | None = None
    """What the file takes; None where the store is no file."""
    risks: Sequence[tuple[str, str]] = ()
    """What of the database server's settings can lose what was acknowledged, each with the mend."""


class Maintainable(Protocol):
    """A store as who keeps it sees it. Both methods raise `StoreUnusable`."""

    def condition(self) -> Condition:
        """How it is; nothing is changed or made."""
        ...

    def migrate(self, *, post: bool = False) -> list[str]:
        """Bring its schema up to date, which gives the migrations that were applied.

        A store of one server is refused while that runs, and brought up to date wholly. One that several share is
        migrated beside them; what servers of the version before could not live with is left out, but with `post`.
        """
        ...
