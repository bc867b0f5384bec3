"""Webhooks put into a running service's quarantine as if an older reading had not understood them, and asked for."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from msgstate.v1 import admin_service_pb2 as pb
from msgstate_server.app import Service
from msgstate_server.domain.decision import Payload, Problem, Submission
from tests.rpc.running import DEADLINE, Client

RECEIVED = 1_790_000_000_000_000
PROBLEMS = [Problem("/events/0", "kind must be a word; found null"), Problem("", "“sic”")]


def body(message_id: str, *kinds: str, **fields: Any) -> bytes:
    """A CloudMailin body with an event of each kind; one of the kind `bad` names no message."""
    events = [
        {"kind": kind, "recipient": "to@example.com", "message_id": "" if kind == "bad" else message_id, **fields}
        for kind in kinds
    ]
    return json.dumps({"events": events}).encode()


async def quarantine(
    service: Service,
    *bodies: bytes,
    provider: str = "cloudmailin",
    account: str = "",
    received_time: int = RECEIVED,
    problems: Sequence[Problem] = PROBLEMS,
) -> list[int]:
    """Put bodies into quarantine; gives their ids."""
    store = service._store  # noqa: SLF001  (the reading of today would understand them)
    payloads = [Payload(provider, account, received_time, each) for each in bodies]
    await store.append([Submission([], payload, problems) for payload in payloads])
    newest = await store.list_quarantine("", include_replayed=True, before=None, limit=len(bodies))
    return [each.id for each in reversed(newest.payloads)]


class Shown(NamedTuple):
    """What GetQuarantined gave, put together, and how large its largest response was."""

    payload: pb.QuarantinedPayload
    events: list[pb.QuarantinedEvent]
    chunks: list[bytes]
    largest: int


async def show(client: Client, quarantined_id: int) -> Shown:
    """One webhook from quarantine; what it is comes first and once, its events before its body."""
    call = client.admin.GetQuarantined(pb.GetQuarantinedRequest(id=quarantined_id), timeout=DEADLINE)
    first, *rest = [response async for response in call]
    kinds = ["events" if response.events else "chunk" for response in rest]
    assert first == pb.GetQuarantinedResponse(payload=first.payload)
    assert not any(response.HasField("payload") for response in rest)
    assert kinds == sorted(kinds, reverse=True)
    return Shown(
        first.payload,
        [event for response in rest for event in response.events],
        [response.chunk for response in rest if response.chunk],
        max(response.ByteSize() for response in (first, *rest)),
    )


async def listed(client: Client, **fields: Any) -> list[int]:
    """The ids on one page."""
    response = await client.admin.ListQuarantine(pb.ListQuarantineRequest(**fields), timeout=DEADLINE)
    return [payload.id for payload in response.payloads]


async def replay(client: Client, *ids: int) -> list[pb.ReplayResult]:
    """What became of each."""
    response = await client.admin.ReplayQuarantined(pb.ReplayQuarantinedRequest(ids=ids), timeout=DEADLINE)
    return list(response.results)


async def discard(client: Client, *ids: int) -> int:
    """How many were there."""
    response = await client.admin.DiscardQuarantined(pb.DiscardQuarantinedRequest(ids=ids), timeout=DEADLINE)
    return response.discarded


async def payload(client: Client, position: int) -> list[pb.GetPayloadResponse]:
    """The responses that give the body of an event."""
    call = client.admin.GetPayload(pb.GetPayloadRequest(position=position), timeout=DEADLINE)
    return [response async for response in call]
