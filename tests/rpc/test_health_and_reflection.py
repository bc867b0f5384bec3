"""What balancers and tools ask: health per service, and the contract itself."""

import asyncio
import sys
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from msgstate_server.app import Service
from tests.rpc.running import DEADLINE, Client, connected, serving
from tests.rpc.samples import DELIVERED, event

pytestmark = pytest.mark.asyncio(loop_scope="session")

SERVICES = ["msgstate.v1.EventService", "msgstate.v1.MessageStatusService", "msgstate.v1.AdminService"]
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def health(client: Client) -> Any:
    """The stub of the health service, which has no types."""
    return health_pb2_grpc.HealthStub(client.channel)


@pytest.mark.parametrize("name", ["", *SERVICES])
async def test_every_service_is_healthy(shared: Client, name: str) -> None:
    """The whole, which has no name, and each service say SERVING."""
    answer = await health(shared).Check(health_pb2.HealthCheckRequest(service=name), timeout=DEADLINE)

    assert answer.status == SERVING


async def test_the_health_of_what_is_not_there_is_not_found(shared: Client) -> None:
    """A service that is not ours has no health."""
    with pytest.raises(grpc.aio.AioRpcError, match="NOT_FOUND"):
        await health(shared).Check(health_pb2.HealthCheckRequest(service="nobody.v1.Service"), timeout=DEADLINE)


@pytest.mark.parametrize("name", ["", *SERVICES])
async def test_health_turns_when_the_service_drains(tmp_path: Path, name: str) -> None:
    """A balancer that watches is told NOT_SERVING before its stream ends."""
    async with serving(tmp_path / "msgstate.db") as service, connected(service.grpc_address) as client:
        request = health_pb2.HealthCheckRequest(service=name)
        call = health(client).Watch(request, timeout=DEADLINE)
        before = (await call.read()).status
        await service._rpc.drain()  # noqa: SLF001  (the first step of a stop, held here to be looked at)
        after = (await call.read()).status
        asked = (await health(client).Check(request, timeout=DEADLINE)).status
        call.cancel()

    assert (before, after, asked) == (SERVING, NOT_SERVING, NOT_SERVING)


async def test_reflection_lists_every_service(shared: Client) -> None:
    """Ours, health and reflection itself."""
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(cast("Any", shared.channel))
    asked = iter([reflection_pb2.ServerReflectionRequest(list_services="")])

    answer = await stub.ServerReflectionInfo(asked, timeout=DEADLINE).read()

    assert {service.name for service in answer.list_services_response.service} == {
        *SERVICES,
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }


WITHOUT_STUBS = """
import sys
import grpc
from google.protobuf import descriptor_pool, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

with grpc.insecure_channel(sys.argv[1]) as channel:
    pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
    method = pool.FindServiceByName("msgstate.v1.MessageStatusService").FindMethodByName("GetMessageStatus")
    request = message_factory.GetMessageClass(method.input_type)
    response = message_factory.GetMessageClass(method.output_type)
    call = channel.unary_unary(
        f"/{method.containing_service.full_name}/{method.name}",
        request_serializer=request.SerializeToString,
        response_deserializer=response.FromString,
    )
    status = call(request(message_id=sys.argv[2]), timeout=20).status
    states = pool.FindEnumTypeByName("msgstate.v1.State").values_by_number
    print(status.recipients[0].recipient, states[status.state].name)
assert not [name for name in sys.modules if name.partition(".")[0] in ("msgstate", "msgstate_server")]
"""


async def test_a_client_without_stubs_asks_by_reflection(shared: Client, shared_service: Service) -> None:
    """A process that knows nothing but the address reads the contract from the server and asks for a message."""
    await shared.publish(event("reflected", DELIVERED))

    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WITHOUT_STUBS, shared_service.grpc_address, "reflected",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(2 * DEADLINE):
        output, errors = await process.communicate()

    assert (output.decode().split(), process.returncode) == (["to@example.com", "STATE_DELIVERED"], 0), errors.decode()
