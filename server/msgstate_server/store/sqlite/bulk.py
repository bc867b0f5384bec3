"""Writes many rows with few statements, each of which gives up the interpreter lock once.

`executemany` gives it up for every row, and has to win it back from a busy event loop each time: 500 rows then take as
long as 500 turns of the loop. Rows are written 512 at a time, then in powers of two, so that few statements are
prepared.
"""

from collections.abc import Sequence
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3 as sqlite
else:
    import pysqlite3.dbapi2 as sqlite

_LARGEST: Final = 512

# The driver looks for an adapter of every value that is not exactly an int, float or str. For None and bytes it finds
# none, in 3 us a value; one that gives the value itself makes that 0.3 us.
sqlite.register_adapter(type(None), lambda value: value)
sqlite.register_adapter(bytes, lambda value: value)


def write_rows(connection: sqlite.Connection, template: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Run a statement whose `:rows` stands for a list of VALUES, for all of the rows."""
    start, size = 0, _LARGEST
    while start < len(rows):
        if start + size > len(rows):
            size //= 2
            continue
        chunk = rows[start : start + size]
        connection.execute(_expand(template, len(chunk[0]), size), tuple(chain.from_iterable(chunk)))
        start += size


@cache
def _expand(template: str, columns: int, rows: int) -> str:
    row = f"({', '.join('?' * columns)})"
    return template.replace(":rows", f"VALUES {', '.join([row] * rows)}")
