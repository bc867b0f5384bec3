"""A server as a process, stopped as an operator stops it and started again on the same file."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import grpc
import httpx
import pytest

from msgstate.v1 import event_pb2, log_pb2, status_pb2
from msgstate.v1 import message_status_service_pb2 as pb
from tests.acceptance.conftest import StartServer
from tests.acceptance.server_process import environment, url_of
from tests.rpc.running import DEADLINE, Client, connected, eventually
from tests.rpc.samples import DELIVERED, OPENED, SENT, event, told
from tests.webhooks.samples import cloudmailin_event, emailit_v2

pytestmark = pytest.mark.asyncio(loop_scope="session")

EARLIEST = pb.WatchTransitionsRequest(start_point=pb.START_POINT_EARLIEST)
MESSAGES = [f"m{number}" for number in range(6)]


def transitions(responses: list[pb.WatchTransitionsResponse]) -> list[log_pb2.Transition]:
    """The transitions of a stream."""
    return [transition for response in responses for transition in response.transitions]


def check(store: Path | str) -> None:
    """Prove with `msgstate check` that the store, named by its file or its URL, agrees with its own log."""
    command = [sys.executable, "-m", "msgstate_server", "check", "--store", url_of(store)]
    checked = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False, timeout=60)
    assert checked.returncode == 0, checked.stdout + checked.stderr


async def post(address: str, message_id: str) -> None:
    """Post a webhook of each provider about one message."""
    bodies = {
        "cloudmailin": {
            "events": [cloudmailin_event(kind, message_id=message_id) for kind in ("dispatch", "delivery")]
        },
        "emailit": [emailit_v2("email.loaded", id=f"{message_id}-e"), {"type": "email.loaded"}],
    }
    async with httpx.AsyncClient(base_url=f"http://{address}", timeout=DEADLINE, trust_env=False) as http:
        for provider, body in bodies.items():
            answer = await http.post(f"/webhooks/{provider}", json=body, auth=("hook", "secret"))
            assert answer.status_code == 200, answer.text


async def follow(
    client: Client, request: pb.WatchTransitionsRequest, responses: list[pb.WatchTransitionsResponse]
) -> grpc.aio.AioRpcError:
    """Record a watch until the server ends it; the error with which it does."""
    try:
        async for response in client.statuses.WatchTransitions(request, timeout=3 * DEADLINE):
            responses.append(response)  # noqa: PERF401  (what came before the error counts)
    except grpc.aio.AioRpcError as error:
        return error
    raise AssertionError("a watch ended without an error")


async def statuses(client: Client) -> list[status_pb2.MessageStatus]:
    """Every message's status."""
    names = [name for message_id in MESSAGES for name in (message_id, f"{message_id}-e")]
    return [(await client.status(name)).status for name in names]


async def test_a_restart_loses_and_repeats_nothing(server_process: StartServer) -> None:
    """What was answered before SIGTERM is answered after the next start, and every token resumes where it stood."""
    server = server_process()
    recorded: list[pb.WatchTransitionsResponse] = []
    async with connected(server.grpc) as client:
        watching = asyncio.create_task(follow(client, EARLIEST, recorded))
        for message_id in MESSAGES:
            await post(server.http, message_id)
        before = await statuses(client)
        await eventually(lambda: len(transitions(recorded)) == 3 * len(MESSAGES))
        began = time.monotonic()
        code = await asyncio.to_thread(server.terminate)
        took = time.monotonic() - began
        error = await watching

    assert (code, took < 5) == (0, True), (took, server.log())
    assert told(error) == (grpc.StatusCode.UNAVAILABLE, "DRAINING", "msgstate", {}, [], 1.0)
    assert not recorded[-1].transitions
    check(server.store)

    await asyncio.to_thread(server.start)
    async with connected(server.grpc) as client:
        assert await statuses(client) == before
        published = await client.publish(event("after", SENT))
        for number, response in enumerate(recorded):
            resumed = await client.watched(
                pb.WatchTransitionsRequest(resume_token=response.resume_token),
                lambda seen: bool(transitions(seen)) and transitions(seen)[-1].message_id == "after",
            )
            assert transitions(resumed)[:-1] == transitions(recorded[number + 1 :])
    assert published.results[0].position == 3 * len(MESSAGES) + 1
    check(server.store)


async def test_a_stop_under_load_keeps_what_it_acknowledged(server_process: StartServer) -> None:
    """While clients publish, SIGTERM ends the server in time; each batch is acknowledged or refused, never both."""
    server = server_process()
    acknowledged: dict[str, int] = {}
    refusals: list[grpc.StatusCode] = []

    async def publish(client: Client, own: int) -> None:
        number = 0
        while True:
            batch = [event(f"b{own}-{number}", kind, recipient=to) for to in ("a@x", "b@x") for kind in (SENT, OPENED)]
            try:
                response = await client.publish(*batch)
            except grpc.aio.AioRpcError as error:
                refusals.append(error.code())
                return
            acknowledged[batch[0].message_id] = response.results[0].position
            number += 1

    async with connected(server.grpc) as client:
        publishing = [asyncio.create_task(publish(client, own)) for own in range(5)]
        await eventually(lambda: len(acknowledged) >= 50)
        began = time.monotonic()
        code = await asyncio.to_thread(server.terminate)
        took = time.monotonic() - began
        await asyncio.gather(*publishing)

    assert (code, took < 5) == (0, True), (took, server.log())
    assert refusals == [grpc.StatusCode.UNAVAILABLE] * 5
    check(server.store)
    await asyncio.to_thread(server.start)
    async with connected(server.grpc) as client:
        for message_id, position in acknowledged.items():
            (first, second) = (await client.status(message_id)).status.recipients
            assert (first.position, second.position) == (position + 1, position + 3)


async def test_a_new_log_starts_where_nothing_was(server_process: StartServer) -> None:
    """A server on a file of its own counts from 1, and takes no token of another server's."""
    one, other = server_process(), server_process()
    async with connected(one.grpc) as client:
        token = (await client.publish(event("m1", DELIVERED))).resume_token
    async with connected(other.grpc) as client:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await client.watched(pb.WatchTransitionsRequest(resume_token=token), bool)
        assert (await client.publish(event("m1", event_pb2.EVENT_TYPE_READ))).results[0].position == 1

    assert told(raised.value).reason == "HISTORY_DIVERGED"
