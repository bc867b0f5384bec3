"""Readers of statuses: one message, a batch of them, a page of the list."""

import asyncio
import random
from collections.abc import Iterable
from typing import Final, TypeAlias

import grpc

from msgstate.v1 import message_status_service_pb2 as pb
from msgstate.v1 import message_status_service_pb2_grpc, status_pb2
from tests.robustness.clients import CALL_SECONDS, Servers, pause, retry_seconds, status_of
from tests.robustness.history import History, Read, Seen, now
from tests.robustness.mail import Mail
from tests.robustness.rows import Name, microseconds

_BATCH: Final = 20
_PAGE: Final = 40
_PAUSE_SECONDS: Final = 0.04
_WANDERING: Final = 0.3
"""The share of reads before which a reader goes to another server."""
_ABSENT: Final = grpc.StatusCode.NOT_FOUND

Stub: TypeAlias = "message_status_service_pb2_grpc.MessageStatusServiceAsyncStub"


class Reader:
    """Reads at random, and records what it was told."""

    def __init__(self, name: str, mail: Mail, history: History, chosen: random.Random) -> None:
        self._name = name
        self._mail = mail
        self._history = history
        self._chosen = chosen

    async def run(self, servers: Servers, stopping: asyncio.Event) -> None:
        """Read until told to stop."""
        async with servers.connected():
            while not stopping.is_set():
                servers.wander(_WANDERING)
                read = self._chosen.choice((self._one, self._batch, self._page))
                try:
                    await read(servers)
                except grpc.aio.AioRpcError as error:
                    self._history.errors.append((self._name, status_of(error)))
                    servers.move()
                    await asyncio.sleep(retry_seconds(error))
                await pause(stopping, _PAUSE_SECONDS)

    async def _one(self, servers: Servers) -> None:
        stub, waits = _stub(servers), not servers.are_several
        for name in self._mail.some_names(1):
            request = pb.GetMessageStatusRequest(
                message_id=name.message_id, provider=name.provider, recipient=name.recipient
            )
            begin = now()
            try:
                response = await stub.GetMessageStatus(request, timeout=CALL_SECONDS, wait_for_ready=waits)
            except grpc.aio.AioRpcError as error:
                if error.code() is not _ABSENT:
                    raise
                self._record(begin, "", [_absent(name)])
            else:
                self._record(begin, response.resume_token, seen(response.status.recipients))

    async def _batch(self, servers: Servers) -> None:
        stub, waits = _stub(servers), not servers.are_several
        names = self._mail.some_names(_BATCH)
        keys = [pb.MessageKey(message_id=name.message_id, provider=name.provider) for name in names]
        begin = now()
        request = pb.BatchGetMessageStatusesRequest(keys=keys)
        response = await stub.BatchGetMessageStatuses(request, timeout=CALL_SECONDS, wait_for_ready=waits)
        found: list[Seen] = []
        for name, result in zip(names, response.results, strict=True):
            found += seen(result.status.recipients) if result.HasField("status") else [_absent(name)]
        self._record(begin, response.resume_token, found)

    async def _page(self, servers: Servers) -> None:
        stub, waits = _stub(servers), not servers.are_several
        begin = now()
        request = pb.ListMessageStatusesRequest(page_size=_PAGE)
        response = await stub.ListMessageStatuses(request, timeout=CALL_SECONDS, wait_for_ready=waits)
        self._record(begin, response.resume_token, seen(response.recipient_statuses))

    def _record(self, begin: float, token: str, found: list[Seen]) -> None:
        self._history.reads.append(Read(self._name, begin, now(), token, tuple(found)))


def _stub(servers: Servers) -> Stub:
    return message_status_service_pb2_grpc.MessageStatusServiceStub(servers.channel)


def seen(statuses: Iterable[status_pb2.RecipientStatus]) -> list[Seen]:
    """What an answer says of recipients."""
    return [
        Seen(
            Name(status.provider, status.message_id, status.recipient),
            microseconds(status.create_time),
            status.version,
            status.state,
            status.position,
        )
        for status in statuses
    ]


def _absent(name: Name) -> Seen:
    return Seen(name, 0, 0, 0, 0)
