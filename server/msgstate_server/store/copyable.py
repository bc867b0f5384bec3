"""The seam through which `msgstate copy` moves a store: the tables of every engine, read and written in the same form.

A table is walked by its key in batches of bounded size, so that a copy of any size takes the same memory, and goes on
from the last key that is there. Every method raises `StoreUnusable` where its database cannot do what is asked.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from hashlib import blake2b
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

import msgspec

from msgstate_server.domain.log import Head
from msgstate_server.store.protocol import Audit

BATCH_ROWS: Final = 5_000
BATCH_BYTES: Final = 8 * 1024 * 1024
"""Bytes of a table's long column after which a batch ends, however few rows it has."""

UNFINISHED: Final = (
    "is the unfinished copy of another store: run the same `msgstate copy SOURCE DEST` again, which goes on with it, "
    "or remove it"
)
"""Why a destination is not to be used yet, and the mend."""

Row: TypeAlias = tuple[Any, ...]
Key: TypeAlias = tuple[int, ...]


class Table(NamedTuple):
    """A table with all of its columns, the first `keys` of which are its key."""

    name: str
    long: str
    """The column that can be long; empty where none can."""
    columns: tuple[str, ...]
    keys: int = 1

    @property
    def beginning(self) -> Key:
        """A key that is before all."""
        return (-(2**63),) * self.keys

    def key_of(self, row: Row) -> Key:
        """Where a row stands."""
        return row[: self.keys]

    def expand(self, statement: str) -> str:
        """A statement for this table, whose name and columns `:table`, `:columns`, `:key` and `:last` stand for."""
        key = self.columns[: self.keys]
        return (
            statement.replace(":table", self.name)
            .replace(":columns", ", ".join(self.columns))
            .replace(":key", ", ".join(key))
            .replace(":last", ", ".join(f"{name} DESC" for name in key))
        )


def _table(name: str, long: str, columns: str, keys: int = 1) -> Table:
    return Table(name, long, tuple(columns.split()), keys)


STATUSES: Final = _table(
    "recipient_status",
    "aliases",
    "id message_hash recipient_hash provider message_id recipient evidence version position queued_time sent_time "
    "delivered_time engaged_time failed_time suppressed_time complained_time unsubscribed_time last_event_time "
    "open_count click_count failure_cause suppression_cause aliases create_time update_time address_hash compact_time "
    "message_refs metadata state_change_time",
)
PAYLOADS: Final = _table("payload", "body", "id provider account received_time body")
EVENTS: Final = _table(
    "event",
    "attributes",
    "position status_id event_key type occurred_time received_time attributes from_evidence to_evidence version "
    "commit_time payload_id",
)
ALIASES: Final = _table("alias", "", "alias_hash status_id", keys=2)
QUARANTINE: Final = _table("quarantine", "body", "id digest provider account received_time problems body_size body")
TABLES: Final = (STATUSES, PAYLOADS, EVENTS, ALIASES, QUARANTINE)
"""All but `head`, which each engine keeps in a form of its own: see `Standing`."""


class Standing(msgspec.Struct, frozen=True):
    """Where a store stands: its head, and the largest ids that it ever gave out, none of which is given out again."""

    head: Head
    hash_key: bytes
    """The secret that keys the store's hashes, which are copied as they are."""
    last_status: int
    last_payload: int
    last_quarantined: int

    def encode(self) -> str:
        """The standing as text, the same for equal ones."""
        return msgspec.json.encode(self).decode()

    def shown(self) -> str:
        """The standing as an error shows it: a digest stands for the secret."""
        return msgspec.structs.replace(self, hash_key=blake2b(self.hash_key, digest_size=4).digest()).encode()


class Marker(NamedTuple):
    """What a destination holds while its copy is unfinished: which log is copied, and how its source stood then.

    No standing means that what was copied is not to be gone on with.
    """

    log_id: bytes
    standing: str


class Contents(NamedTuple):
    """What is found where a copy is to go."""

    log_id: bytes
    position: int
    is_empty: bool
    """Whether there is nothing but an empty log."""
    marker: Marker | None


class View(Protocol):
    """A store whose tables can be read."""

    async def standing(self) -> Standing:
        """Where it stands."""
        ...

    async def count(self, table: Table) -> int:
        """How many rows a table has."""
        ...

    async def read(self, table: Table, after: Key, limit: int) -> list[Row]:
        """Up to `limit` rows after a key, in order; fewer where they hold `BATCH_BYTES`, none at the end alone."""
        ...

    async def audit(self) -> Audit:
        """The store as `check` reads it, which is to be done within `reporting_errors`."""
        ...

    def reporting_errors(self) -> AbstractContextManager[None]:
        """Raise `StoreUnusable` for what goes wrong within."""
        ...


class Source(View, Protocol):
    """A store that is copied: all that is read is of one moment, and no server runs on it."""

    async def look_again(self) -> None:
        """Read from now on what is there now."""
        ...


class Destination(View, Protocol):
    """A store that is made. Until `finish` nothing but a copy takes it for a store."""

    async def contents(self) -> Contents | None:
        """What is there; None where nothing of msgstate is."""
        ...

    async def begin(self, standing: Standing) -> None:
        """Leave nothing but the marker of this copy; only where there is nothing, or a copy that is unfinished."""
        ...

    async def go_on(self) -> None:
        """Prepare to write behind what an unfinished copy has written."""
        ...

    async def last_key(self, table: Table) -> Key:
        """The key of a table's last row; `beginning` where it has none."""
        ...

    async def write(self, table: Table, rows: Sequence[Row]) -> None:
        """Add rows, all of them or none; they are durable when it returns."""
        ...

    async def write_standing(self, standing: Standing) -> None:
        """Write where the log stands, and which ids were given out."""
        ...

    async def give_up(self) -> None:
        """Have the next copy begin anew."""
        ...

    async def finish(self) -> None:
        """Take the marker away: what was copied is a store now."""
        ...


class Copyable(Protocol):
    """A store that can be copied, or be made by a copy."""

    def source(self) -> AbstractAsyncContextManager[Source]:
        """Open it to be copied; raises `StoreUnusable` where a server runs on it."""
        ...

    def destination(self) -> AbstractAsyncContextManager[Destination]:
        """Open it to be written, though nothing is changed yet."""
        ...
