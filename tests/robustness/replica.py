"""One server of a campaign: the processes that run it, one after the other, and the networks on both of its sides."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.robustness.engines import Database
from tests.robustness.host import Host
from tests.robustness.proxy import Proxy


class Replica:
    """A server that keeps its addresses, whatever becomes of its processes."""

    def __init__(self, name: str, grpc: Proxy, http: Proxy, between: Sequence[Proxy]) -> None:
        """Take the networks between clients and server, and between it and each place of its database."""
        self.name = name
        self.grpc = grpc
        self.http = http
        self.between = between
        self.idle_tasks = 0
        """How many tasks its server runs while it has no clients."""
        self._host: Host | None = None

    @property
    def host(self) -> Host:
        """Its processes."""
        assert self._host is not None, "not open"
        return self._host

    async def open(
        self,
        folder: Path,
        database: Database,
        settings: Mapping[str, Any],
        tuning: Mapping[str, Any],
        code: Path | None,
    ) -> None:
        """Open the networks and start a server; its files are in the folder, which must be there."""
        for proxy in self._proxies():
            await proxy.start()
        self.reach(database.addresses)
        url = database.url_at([proxy.address for proxy in self.between])
        self._host = Host(folder, url, settings, tuning, code)
        await self.restart()
        self.idle_tasks = await self.host.tasks()

    async def restart(self) -> None:
        """Start a server where none runs, behind the same addresses; raises `ServerFailed`."""
        process = await self.host.start()
        self.grpc.target, self.http.target = process.grpc, process.http

    def reach(self, places: Sequence[str]) -> None:
        """From now on its database is at these addresses; where one is empty, it cannot be reached."""
        for proxy, address in zip(self.between, places, strict=True):
            proxy.target = address

    async def close(self) -> None:
        """End everything, however far it came."""
        for proxy in self._proxies():
            await proxy.close()
        if self._host is not None:
            self._host.close()

    def _proxies(self) -> list[Proxy]:
        return [self.grpc, self.http, *self.between]
