"""Builds the gRPC server: the services, health per service, reflection, and the limits of the channel."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from msgstate.v1 import (
    admin_service_pb2,
    admin_service_pb2_grpc,
    event_service_pb2,
    event_service_pb2_grpc,
    message_status_service_pb2,
    message_status_service_pb2_grpc,
)
from msgstate_server.domain.limits import RECEIVE_BYTES, WATCHERS
from msgstate_server.ingest import Ingest, Quarantine, RefusalLog
from msgstate_server.rpc.admin_service import AdminService
from msgstate_server.rpc.event_service import EventService
from msgstate_server.rpc.interceptors import ErrorInterceptor
from msgstate_server.rpc.message_status_service import MessageStatusService
from msgstate_server.store.protocol import Store
from msgstate_server.watch import Watches

_SERVICES: Final = tuple(
    file.DESCRIPTOR.services_by_name[name].full_name
    for file, name in (
        (event_service_pb2, "EventService"),
        (message_status_service_pb2, "MessageStatusService"),
        (admin_service_pb2, "AdminService"),
    )
)

_LINGER_SECONDS: Final = 0.04
_LINGER_STEPS: Final = 12
_QUIET_STEPS: Final = 3
"""Such steps without a call, and at most so many: the port stays open to tell clients that the service drains."""
_OPTIONS: Final[Sequence[tuple[str, int]]] = (
    ("grpc.max_receive_message_length", RECEIVE_BYTES),
    # One server per port: a second one must fail to bind, not share the connections.
    ("grpc.so_reuseport", 0),
    # A watch may be silent for a minute: let clients ping, and find peers that are gone.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    # Newer releases of gRPC measure the answer to a ping by this one, which is a minute if unset.
    ("grpc.http2.ping_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
    # Calls that wait to be looked at, beyond which gRPC cancels them without a word: as many as there may be watches,
    # since all of them come back at once where a server starts anew, and some more.
    ("grpc.server.max_pending_requests", 2 * WATCHERS),
    ("grpc.server.max_pending_requests_hard_limit", 4 * WATCHERS),
)
_GRACE_SECONDS: Final = 20
"""How long calls may still run on a connection that became old, unless that was allowed less long itself; streams that
last longer, as watches do, are ended then."""
_MICROSECONDS: Final = 1_000_000
_LONGEST_MS: Final = 2**31 - 1
"""What gRPC takes for no end at all."""


class _ByName:
    """Takes handlers as the generated code gives them to a server, but for that they are registered beside.

    Of registered methods gRPC's server awaits the next call of each, and does so anew for all of them with every call:
    with as many as here that is an eighth of a short call's time. Others are looked up by their name.
    """

    def __init__(self, server: grpc.aio.Server) -> None:
        self.add_generic_rpc_handlers = server.add_generic_rpc_handlers

    def add_registered_method_handlers(self, service: str, handlers: object) -> None:
        """Leave them to be looked up."""


class RpcServer:
    """The gRPC surface of one service."""

    def __init__(  # noqa: PLR0913  (what it puts together)
        self,
        ingest: Ingest,
        store: Store,
        watches: Watches,
        quarantine: Quarantine,
        clock: Callable[[], int],
        *,
        connection_age: int | None = None,
    ) -> None:
        """Put it together; it must be made within the running loop.

        `connection_age` is how long a connection lasts at most, in microseconds and give or take a tenth.
        """
        self._errors = ErrorInterceptor()
        self._server = grpc.aio.server(interceptors=[self._errors], options=(*_OPTIONS, *_aging(connection_age)))
        self._health = health.aio.HealthServicer()
        names: Any = _ByName(self._server)
        event_service_pb2_grpc.add_EventServiceServicer_to_server(
            EventService(ingest, store, clock, RefusalLog()), names
        )
        message_status_service_pb2_grpc.add_MessageStatusServiceServicer_to_server(
            MessageStatusService(store, watches), names
        )
        admin_service_pb2_grpc.add_AdminServiceServicer_to_server(AdminService(quarantine, store), names)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, names)
        reflection.enable_server_reflection((*_SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME), names)

    async def start(self, address: str) -> int:
        """Listen; gives the port. Raises RuntimeError where the address cannot be had."""
        port = self._server.add_insecure_port(address)
        await self._server.start()
        await self.report(serving=True)
        return port

    async def report(self, *, serving: bool) -> None:
        """Say to balancers whether calls should come; once the service drains that is said, and stays."""
        response = health_pb2.HealthCheckResponse
        status = response.SERVING if serving else response.NOT_SERVING
        for service in ("", *_SERVICES):
            await self._health.set(service, status)

    async def drain(self) -> None:
        """Say to balancers that no more calls should come."""
        await self._health.enter_graceful_shutdown()

    def refuse(self) -> None:
        """Tell every new call that the service drains."""
        self._errors.drain()

    async def stop(self, grace: float) -> None:
        """Refuse new calls, let those that run end within `grace` seconds, then cut them off."""
        # A call that arrives while the port closes ends as CANCELLED, which no client repeats: let all hear it before.
        self.refuse()
        await self._linger()
        await self._server.stop(max(0.0, grace))

    async def _linger(self) -> None:
        """Return when no call has come for a while, or after half a second."""
        quiet = 0
        for _ in range(_LINGER_STEPS):
            refused = self._errors.refused
            await asyncio.sleep(_LINGER_SECONDS)
            quiet = quiet + 1 if self._errors.refused == refused else 0
            if quiet == _QUIET_STEPS:
                return


def _aging(age: int | None) -> Sequence[tuple[str, int]]:
    """What ends connections by their age: who follows the log for ever would never find a server that came later."""
    if age is None:
        return ()
    grace = min(age, _GRACE_SECONDS * _MICROSECONDS)
    return (
        ("grpc.max_connection_age_ms", min(age // 1_000, _LONGEST_MS)),
        ("grpc.max_connection_age_grace_ms", grace // 1_000),
    )
