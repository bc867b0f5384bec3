"""The limit of a call: a bare server that gives the same answers, with nothing between the handler and what it needs.

It prints its port. `bare_server KIND ARGUMENTS` serves one of:

- `empty`: `PublishEvents` is answered with nothing.
- `get FILE COUNT MESSAGES`: `GetMessageStatus`, of those messages in memory that so many look-ups are about.
- `list FILE`: `ListMessageStatuses`, by an index that is ideal for the filter; the file is given these indexes.
- `transitions FILE COUNT`: `WatchTransitions`, so many transitions from tuples: those of the first 100,000 rows,
  again and again.
- `broadcast`: each `PublishEvents` sends a transition of the same bytes to every `WatchTransitions`.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.timestamp_pb2 import Timestamp

from msgstate.v1 import event_pb2, log_pb2, status_pb2
from msgstate.v1 import message_status_service_pb2 as pb
from msgstate.v1.event_service_pb2 import PublishEventsRequest, PublishEventsResponse
from msgstate_server.domain.limits import RESPONSE_BYTES
from msgstate_server.rpc.context import Context
from msgstate_server.rpc.conversion import message_to_proto, write_recipient, write_time
from msgstate_server.store.rows import status_from_row
from msgstate_server.store.sqlite.connection import open_for_reading
from msgstate_server.store.sqlite.queries import read_hashes
from tests.bench.limits.serving import Handlers, serve, streaming, unary
from tests.bench.limits.straight_look_ups import TOKEN, read_views
from tests.bench.workload import WATCH_BATCH, event, look_ups

if TYPE_CHECKING:
    import sqlite3 as sqlite
else:
    import pysqlite3.dbapi2 as sqlite

_ROWS: Final = 100_000
_EVIDENCE: Final = {status_pb2.STATE_DELIVERED: 5, status_pb2.STATE_SUPPRESSED: 4}
_CONDITIONS: Final = {
    "states": "evidence = ?",
    "providers": "provider = ?",
    "message_id": "message_id = ?",
    "recipient": "recipient = ?",
    # In the order of first appearance all others would be looked at before.
    "updated_before": "id IN (SELECT id FROM recipient_status INDEXED BY ideal_update_time WHERE update_time < ?)",
    # In that order, since who was updated last appeared last; the plus keeps from the index.
    "updated_after": "+update_time >= ?",
}


def _empty() -> Handlers:
    async def publish(_: PublishEventsRequest, __: Context) -> PublishEventsResponse:
        return PublishEventsResponse()

    return {"PublishEvents": _publishing(publish)}


def _publishing(publish: Any) -> Any:
    return unary(publish, PublishEventsRequest, PublishEventsResponse)


def _get(file: Path, count: int, of_messages: int) -> Handlers:
    with closing(open_for_reading(file)) as connection:
        found = read_views(connection, read_hashes(connection), look_ups(count, of_messages))
        views = {view.message_id: view for view in found}

    async def get(request: pb.GetMessageStatusRequest, _: Context) -> pb.GetMessageStatusResponse:
        status = message_to_proto(views[request.message_id], RESPONSE_BYTES)
        return pb.GetMessageStatusResponse(status=status, resume_token=TOKEN)

    return {"GetMessageStatus": unary(get, pb.GetMessageStatusRequest, pb.GetMessageStatusResponse)}


def _list(file: Path) -> Handlers:
    connection = sqlite.connect(file)
    for column in ("evidence", "provider", "message_id", "recipient", "update_time"):
        connection.execute(f"CREATE INDEX IF NOT EXISTS ideal_{column} ON recipient_status ({column})")

    async def page(request: pb.ListMessageStatusesRequest, _: Context) -> pb.ListMessageStatusesResponse:
        before = int(request.page_token or sys.maxsize)
        where, values = _condition(request.filter)
        query = f"SELECT * FROM recipient_status WHERE {where} AND id < ? ORDER BY id DESC LIMIT ?"  # noqa: S608
        rows = connection.execute(query, (*values, before, request.page_size)).fetchall()
        response = pb.ListMessageStatusesResponse(resume_token=TOKEN, next_page_token=str(rows[-1][0]))
        for row in rows:
            write_recipient(response.recipient_statuses.add(), status_from_row(row).status)
        return response

    return {"ListMessageStatuses": unary(page, pb.ListMessageStatusesRequest, pb.ListMessageStatusesResponse)}


def _condition(wanted: pb.MessageStatusFilter) -> tuple[str, tuple[object, ...]]:
    """What a filter of one field asks of a row, and its values."""
    for field, value in wanted.ListFields():
        match value:
            case str():
                return _CONDITIONS[field.name], (value,)
            case Timestamp():
                return _CONDITIONS[field.name], (value.ToMicroseconds(),)
        return _CONDITIONS[field.name], (_EVIDENCE.get(value[0], value[0]),)
    return "TRUE", ()


def _transitions(file: Path, count: int) -> Handlers:
    query = """
        SELECT event.position, provider, message_id, recipient, occurred_time, received_time,
            attributes ->> 'provider_type', attributes ->> 'event_id', commit_time
        FROM event JOIN recipient_status AS s ON s.id = event.status_id WHERE event.position <= ?
    """
    with closing(open_for_reading(file)) as connection:
        rows = connection.execute(query, (_ROWS,)).fetchall()

    async def watch(_: bytes, __: Context) -> AsyncIterator[bytes]:
        for sent in range(0, count, WATCH_BATCH):
            first = sent % len(rows)
            response = pb.WatchTransitionsResponse(resume_token=TOKEN, head_position=count)
            for row in rows[first : first + WATCH_BATCH]:
                _write_transition(response.transitions.add(), row)
            yield response.SerializeToString()

    return {"WatchTransitions": streaming(watch)}


def _write_transition(message: log_pb2.Transition, row: tuple[Any, ...]) -> None:
    position, provider, message_id, recipient, occurred, received, word, event_id, commit_time = row
    message.position = position
    message.provider = provider
    message.message_id = message_id
    message.recipient = recipient
    message.to_state = status_pb2.STATE_DELIVERED
    message.version = 1
    write_time(message.commit_time, commit_time)
    told = message.event
    told.provider = provider
    told.message_id = message_id
    told.recipient = recipient
    told.type = event_pb2.EVENT_TYPE_DELIVERED
    told.provider_type = word
    told.event_id = event_id
    write_time(told.occurred_time, occurred)
    write_time(told.received_time, received)


def _broadcast() -> tuple[tuple[str, Handlers], tuple[str, Handlers]]:
    watchers: list[asyncio.Queue[bytes]] = []

    async def publish(_: PublishEventsRequest, __: Context) -> PublishEventsResponse:
        now = time.time_ns() // 1_000
        about = event(0)
        row = (1, about.provider, about.message_id, about.recipient, now, now, about.provider_type, about.event_id, now)
        built = pb.WatchTransitionsResponse(resume_token=TOKEN, head_position=1)
        _write_transition(built.transitions.add(), row)
        response = built.SerializeToString()
        for watcher in watchers:
            watcher.put_nowait(response)
        return PublishEventsResponse()

    async def watch(_: bytes, __: Context) -> AsyncIterator[bytes]:
        told: asyncio.Queue[bytes] = asyncio.Queue()
        watchers.append(told)
        yield b""
        while True:
            yield await told.get()

    return ("EventService", {"PublishEvents": _publishing(publish)}), (
        "MessageStatusService",
        {"WatchTransitions": streaming(watch)},
    )


async def main() -> None:
    """Serve one kind of call."""
    match sys.argv[1:]:
        case ["empty"]:
            await serve(("EventService", _empty()))
        case ["get", file, count, messages]:
            await serve(("MessageStatusService", _get(Path(file), int(count), int(messages))))
        case ["list", file]:
            await serve(("MessageStatusService", _list(Path(file))))
        case ["transitions", file, count]:
            await serve(("MessageStatusService", _transitions(Path(file), int(count))))
        case ["broadcast"]:
            await serve(*_broadcast())
        case _:
            raise SystemExit(f"no such server: {sys.argv[1:]}")


if __name__ == "__main__":
    asyncio.run(main())
