"""The composition root: the only module that builds everything, starts it in order and stops it in order."""

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Final, NamedTuple

import structlog
import uvicorn
from starlette.applications import Starlette

from msgstate_server.domain.errors import StoreUnusable
from msgstate_server.ingest import Ingest, Quarantine
from msgstate_server.retention import ROWS, SWEEP_SECONDS, Periods, Retention
from msgstate_server.rpc.server import RpcServer
from msgstate_server.settings import RETENTION, ProviderSettings, Settings, SettingsError, read_period, split_address
from msgstate_server.store.opening import open_store
from msgstate_server.watch import PAGE, WINDOW, Watches
from msgstate_server.webhooks.app import build_app
from msgstate_server.webhooks.credentials import Credentials
from msgstate_server.webhooks.heads import BoundedHeads
from msgstate_server.webhooks.intake import take_in_again
from msgstate_server.webhooks.providers import PROVIDERS

GRACE_SECONDS: Final = 2.0
"""How long calls that run may take to end when the service stops, what they wait for to be committed included."""
_COMMIT_SECONDS: Final = 1.5
"""How much of it the commits may take; the rest is left to watches, for their last checkpoint."""

_log = structlog.get_logger("msgstate.app")


class CannotStart(Exception):
    """The service cannot start; the text says why and the mend."""


def clock() -> int:
    """The time, in microseconds since 1970."""
    return time.time_ns() // 1000


class Tuning(NamedTuple):
    """What no setting offers: sizes that tests make so small that what is rare becomes common."""

    watch_window: int = WINDOW
    watch_page: int = PAGE
    retention_seconds: float = SWEEP_SECONDS
    retention_rows: int = ROWS


_USUAL: Final = Tuning()


class Service:
    """One msgstate: a store, its intake and its watches, behind gRPC and HTTP."""

    def __init__(
        self,
        settings: Settings,
        tuning: Tuning = _USUAL,
        clock: Callable[[], int] = clock,
    ) -> None:
        """Prepare; `start` opens the store and the ports. `clock` gives microseconds since 1970."""
        self._settings = settings
        self._tuning = tuning
        self._clock = clock
        self._background: list[asyncio.Task[None]] = []
        self._ready = False
        self._in_reach = True
        self.grpc_address = settings.grpc
        self.http_address = settings.http

    async def start(self) -> None:
        """Open the store and the ports; raises `CannotStart` or `SettingsError`, leaving nothing open."""
        credentials = _credentials(self._settings.webhooks)
        periods = _periods(self._settings)
        age = read_period("connection_age", self._settings.connection_age)
        async with AsyncExitStack() as opened:
            listener = opened.enter_context(_listen(self._settings.http))
            try:
                self._store = await open_store(self._settings.store, self._clock)
            except StoreUnusable as error:
                raise CannotStart(str(error)) from error
            opened.push_async_callback(self._store.close)
            self._ingest = Ingest(self._store)
            self._watches = Watches(self._store, window=self._tuning.watch_window, page=self._tuning.watch_page)
            quarantine = Quarantine(self._store, self._ingest, take_in_again)
            self._rpc = RpcServer(self._ingest, self._store, self._watches, quarantine, self._clock, connection_age=age)
            opened.push_async_callback(self._rpc.stop, 0)
            try:
                port = await self._rpc.start(self._settings.grpc)
            except RuntimeError as error:
                raise CannotStart(_taken("grpc", self._settings.grpc, "in use, or not an address here")) from error
            self._http = _HttpServer(
                build_app(self._ingest, credentials, self._clock, lambda: self._ready and self._in_reach)
            )
            self._serving = asyncio.create_task(self._http.serve([listener]))
            await self._http.wait_until_listening(self._serving)
            retention = Retention(
                self._store, periods, self._clock, self._tuning.retention_seconds, self._tuning.retention_rows
            )
            parts = (self._ingest.run(), self._watches.run(), retention.run(), self._report_reach())
            self._background = [asyncio.create_task(part) for part in parts]
            opened.pop_all()
        self.grpc_address = _with_port(self._settings.grpc, port)
        self.http_address = _with_port(self._settings.http, listener.getsockname()[1])
        self._ready = True

    async def _report_reach(self) -> None:
        """Say that the service is not ready while its store is away: another server may have a way to it."""
        while True:
            await self._store.wait_until_away()
            self._in_reach = False
            _log.error("the store cannot be reached: not ready until it can")
            await self._rpc.report(serving=False)
            await self._store.wait_until_back()
            self._in_reach = True
            _log.info("the store is reached again: ready")
            await self._rpc.report(serving=True)

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set; raises where a part of the service ended before, which none should do."""
        stopping = asyncio.create_task(stop.wait())
        parts = [self._serving, *self._background]
        try:
            await asyncio.wait([stopping, *parts], return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
        if not stop.is_set():
            await asyncio.gather(*(part for part in parts if part.done()))
            raise RuntimeError("a part of the service ended by itself")

    async def stop(self) -> None:
        """Take no more, commit what was taken, let watches send a last checkpoint, then close.

        What could not be committed in time is not acknowledged.
        """
        self._ready = False
        loop = asyncio.get_running_loop()
        end = loop.time() + GRACE_SECONDS
        committing, following, deleting, reporting = self._background
        reporting.cancel()
        await self._rpc.drain()
        self._http.should_exit = True
        self._ingest.drain()
        deleting.cancel()
        await asyncio.wait([committing], timeout=_COMMIT_SECONDS)
        if not committing.done():
            _log.error("what was taken cannot be committed in time; its senders are told to send it again")
            committing.cancel()
        # Before the watches, whose many ends keep the loop from telling anyone else.
        self._rpc.refuse()
        self._watches.drain()
        await self._watches.ended(end - loop.time())
        await self._rpc.stop(end - loop.time())
        following.cancel()
        await asyncio.gather(self._serving, *self._background, return_exceptions=True)
        await self._store.close()
        _log.info("stopped", position=self._store.head.position)


class _HttpServer(uvicorn.Server):
    """uvicorn within our own loop: it must neither take our signals nor choose our sockets."""

    def __init__(self, app: Starlette) -> None:
        config = uvicorn.Config(
            app,
            http=BoundedHeads,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=int(GRACE_SECONDS),
        )
        super().__init__(config)
        self._listening = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the composition root; uvicorn would raise each a second time when it ends."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self._listening.set()

    async def wait_until_listening(self, serving: asyncio.Task[None]) -> None:
        """Return when connections are taken; raises what ended the server before."""
        listening = asyncio.create_task(self._listening.wait())
        await asyncio.wait([listening, serving], return_when=asyncio.FIRST_COMPLETED)
        listening.cancel()
        if serving.done():
            serving.result()
            raise CannotStart("the HTTP server ended as it started; its log says why")


def _credentials(webhooks: dict[str, ProviderSettings]) -> dict[tuple[str, str], Credentials]:
    """Who may post, by provider and account."""
    credentials: dict[tuple[str, str], Credentials] = {}
    for provider, own in webhooks.items():
        if provider not in PROVIDERS:
            raise SettingsError(f"webhooks.{provider}: must be a provider that msgstate knows: {', '.join(PROVIDERS)}")
        credentials[provider, ""] = Credentials(own.basic, own.secrets)
        for name, account in own.accounts.items():
            credentials[provider, name] = Credentials(account.basic, account.secrets)
    return credentials


def _periods(settings: Settings) -> Periods:
    """How long things are kept; raises `SettingsError`."""
    return Periods(*(read_period(name, getattr(settings, name)) for name in RETENTION))


def _listen(address: str) -> socket.socket:
    host, port = split_address("http", address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        # Python appends the address to the system's words.
        reason = (error.strerror or str(error)).partition(" (while")[0]
        raise CannotStart(_taken("http", address, reason)) from error
    # Connections inherit it; without it every answer waits 40 ms for the client's acknowledgement of its first half.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _with_port(address: str, port: int) -> str:
    host, _ = address.rsplit(":", 1)
    return f"{host}:{port}"


def _taken(name: str, address: str, reason: str) -> str:
    return (
        f"cannot listen on {address} ({reason}): stop what uses it, or choose another address of this machine "
        f"with --{name}"
    )
