"""The limit of a batch of look-ups: straight SQLite look-ups of the same ids, and the same answers built from them.

`straight_look_ups FILE COUNT MESSAGES` prints the seconds as JSON. The file may have a server on it.
"""

import json
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgstate.v1 import message_status_service_pb2 as pb
from msgstate_server.domain.limits import RESPONSE_BYTES
from msgstate_server.queries import MessageView
from msgstate_server.rpc.conversion import write_message
from msgstate_server.store.hashing import Hashes
from msgstate_server.store.rows import status_from_row
from msgstate_server.store.sqlite.connection import open_for_reading
from msgstate_server.store.sqlite.queries import read_hashes
from tests.bench.workload import BATCH, look_ups

if TYPE_CHECKING:
    import sqlite3 as sqlite
else:
    import pysqlite3.dbapi2 as sqlite

TOKEN: Final = "A" * 50
"""As long as a resume token is."""
_QUERY: Final = "SELECT * FROM recipient_status WHERE message_hash = ? AND message_id = ?"


def read_views(connection: sqlite.Connection, hashes: Hashes, wanted: Iterable[str]) -> Iterator[MessageView]:
    """Each of these messages, which have one recipient, as it is to be answered."""
    for message_id in wanted:
        rows = connection.execute(_QUERY, (hashes.message(message_id), message_id)).fetchall()
        statuses = [status_from_row(row).status for row in rows]
        status = statuses[0]
        counts = {status.state: len(statuses)}
        yield MessageView(status.provider, message_id, status.state, statuses, False, counts, [])


def main() -> None:
    """Look all up, 500 to an answer."""
    file, count, messages = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    wanted = look_ups(count, messages)
    with closing(open_for_reading(file)) as connection:
        started = time.perf_counter()
        views = read_views(connection, read_hashes(connection), wanted)
        for _ in range(0, count, BATCH):
            response = pb.BatchGetMessageStatusesResponse(resume_token=TOKEN)
            for view in islice(views, BATCH):
                result = response.results.add()
                result.key.message_id = view.message_id
                write_message(result.status, view, RESPONSE_BYTES)
            response.SerializeToString()
        seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds}))  # noqa: T201


if __name__ == "__main__":
    main()
