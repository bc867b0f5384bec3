"""The limit of a batch of look-ups: straight SQLite look-ups of the same ids, and the same answers built from them.

`straight_look_ups FILE COUNT EVENTS` prints the seconds as JSON. The file may have a server on it.
"""

import json
import sys
import time
from pathlib import Path

from msgstate.v1 import message_status_service_pb2 as pb
from msgstate_server.domain.identity import message_hash
from msgstate_server.queries import MessageView
from msgstate_server.rpc.conversion import message_to_proto
from msgstate_server.store.rows import status_from_row
from msgstate_server.store.sqlite.connection import open_for_reading
from tests.bench.workload import BATCH, look_ups

_QUERY = "SELECT * FROM recipient_status WHERE message_hash = ? AND message_id = ?"


def main() -> None:
    """Look all up, 500 to an answer."""
    file, count, events = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    wanted = look_ups(count, events)
    connection = open_for_reading(file)
    started = time.perf_counter()
    for start in range(0, count, BATCH):
        response = pb.BatchGetMessageStatusesResponse(resume_token="A" * 50)
        for message_id in wanted[start : start + BATCH]:
            rows = connection.execute(_QUERY, (message_hash(message_id), message_id)).fetchall()
            recipients = [status_from_row(row).status for row in rows]
            state = recipients[0].state
            view = MessageView("emailit", message_id, state, recipients, False, {state: 1}, [])
            result = response.results.add()
            result.key.message_id = message_id
            result.status.CopyFrom(message_to_proto(view, 1 << 20))
        response.SerializeToString()
    seconds = time.perf_counter() - started
    connection.close()
    print(json.dumps({"seconds": seconds}))  # noqa: T201


if __name__ == "__main__":
    main()
