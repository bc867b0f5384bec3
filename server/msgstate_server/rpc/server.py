"""Builds the gRPC server: the services, per-service health, reflection, and the channel limits."""

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
"""While draining, the port stays open so that clients learn about it. It closes after `_QUIET_STEPS` steps in a row
without a call, and after `_LINGER_STEPS` steps at the latest."""
_OPTIONS: Final[Sequence[tuple[str, int]]] = (
    ("grpc.max_receive_message_length", RECEIVE_BYTES),
    # Allow one server per port: a second one must fail to bind instead of sharing the connections.
    ("grpc.so_reuseport", 0),
    # A watch may be silent for a minute: allow client pings, and detect dead peers.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    # Newer gRPC releases use this timeout for the answer to a ping; its default is a minute.
    ("grpc.http2.ping_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
    # The number of unaccepted calls beyond which gRPC cancels calls silently. After a restart all watches reconnect at
    # once, so allow as many as there may be watches, and some more.
    ("grpc.server.max_pending_requests", 2 * WATCHERS),
    ("grpc.server.max_pending_requests_hard_limit", 4 * WATCHERS),
)
_GRACE_SECONDS: Final = 20
"""How long calls may continue on a connection that has reached its maximum age; a maximum age below this also caps it.
Streams that last longer, such as watches, are then ended."""
_MICROSECONDS: Final = 1_000_000
_LONGEST_MS: Final = 2**31 - 1
"""The value that gRPC takes for infinity."""


class _ByName:
    """Accepts handlers from the generated code, but adds only the generic handlers, which gRPC looks up by name.

    For registered methods, gRPC's server awaits the next call of each method, and re-arms all of these waits on every
    call. With this many methods that takes an eighth of the time of a short call.
    """

    def __init__(self, server: grpc.aio.Server) -> None:
        self.add_generic_rpc_handlers = server.add_generic_rpc_handlers

    def add_registered_method_handlers(self, service: str, handlers: object) -> None:
        """Ignore them: the generic handlers cover the same methods."""


class RpcServer:
    """The gRPC server of one msgstate instance."""

    def __init__(  # noqa: PLR0913  (the parts it connects)
        self,
        ingest: Ingest,
        store: Store,
        watches: Watches,
        quarantine: Quarantine,
        clock: Callable[[], int],
        *,
        connection_age: int | None = None,
    ) -> None:
        """Build the server. Must be called within the running event loop.

        `connection_age` is the maximum age of a connection in microseconds, give or take a tenth.
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
        """Listen and return the port. Raises RuntimeError if it cannot bind the address."""
        port = self._server.add_insecure_port(address)
        await self._server.start()
        await self.report(serving=True)
        return port

    async def report(self, *, serving: bool) -> None:
        """Report to load balancers whether to send calls. Once the server drains, it keeps reporting NOT_SERVING."""
        response = health_pb2.HealthCheckResponse
        status = response.SERVING if serving else response.NOT_SERVING
        for service in ("", *_SERVICES):
            await self._health.set(service, status)

    async def drain(self) -> None:
        """Report to load balancers that they should send no more calls."""
        await self._health.enter_graceful_shutdown()

    def refuse(self) -> None:
        """Reject every new call with `Draining`."""
        self._errors.drain()

    async def stop(self, grace: float) -> None:
        """Reject new calls, give running calls `grace` seconds to end, then cancel them."""
        # A call that arrives while the port closes ends as CANCELLED, which clients do not retry. Let them learn
        # first that the server is draining.
        self.refuse()
        await self._linger()
        await self._server.stop(max(0.0, grace))

    async def _linger(self) -> None:
        """Return when no call has arrived for a while, or after half a second."""
        quiet = 0
        for _ in range(_LINGER_STEPS):
            refused = self._errors.refused
            await asyncio.sleep(_LINGER_SECONDS)
            quiet = quiet + 1 if self._errors.refused == refused else 0
            if quiet == _QUIET_STEPS:
                return


def _aging(age: int | None) -> Sequence[tuple[str, int]]:
    """The options that limit a connection's age. Otherwise endless watches would never move to a server added later."""
    if age is None:
        return ()
    grace = min(age, _GRACE_SECONDS * _MICROSECONDS)
    return (
        ("grpc.max_connection_age_ms", min(age // 1_000, _LONGEST_MS)),
        ("grpc.max_connection_age_grace_ms", grace // 1_000),
    )
