"""The hosts of a store's URL: of a primary and its standbys the one that takes writes, whichever that is by now."""

from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import urlsplit

import asyncpg
from asyncpg.connect_utils import SessionAttribute

CONNECT_SECONDS: Final = 5.0
"""How long it may take to connect, all hosts together."""
_ELSEWHERE: Final = (
    asyncpg.TargetServerAttributeNotMatched,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    OSError,
)
"""What says that another host may be the one."""


class Hosts:
    """Connects to the host that takes writes; the one that did last is tried first, unless it is in doubt."""

    def __init__(self, url: str) -> None:
        """Take `postgresql://USER@HOST,HOST/DATABASE`, of any number of hosts."""
        self._urls = _each(url)
        self._last = ""
        self._place: object = None
        self._in_doubt = False
        self._listeners: list[Callable[[], Awaitable[None]]] = []

    def on_move(self, listener: Callable[[], Awaitable[None]]) -> None:
        """Call this where another server takes the writes than the one in doubt, behind another name or the same."""
        self._listeners.append(listener)

    def doubt(self) -> None:
        """Ask the host that took writes last after all others: it does not answer."""
        self._in_doubt = True
        if self._urls[0] == self._last:
            self._urls.append(self._urls.pop(0))

    async def connect(self, *_: object, **options: Any) -> Any:
        """A connection; raises what the driver raises, of several hosts what tells most.

        Each host has its share of the time, so that one which is gone without a word keeps nobody from the next.
        """
        options["timeout"] = CONNECT_SECONDS / len(self._urls)
        failures: list[Exception] = []
        for url in tuple(self._urls):
            try:
                connection = await asyncpg.connect(url, target_session_attrs=SessionAttribute.read_write, **options)
            except _ELSEWHERE as error:
                failures.append(error)
            else:
                self._urls.remove(url)
                self._urls.insert(0, url)
                self._last = url
                await self._note(connection)
                return connection
        raise min(failures, key=lambda error: not isinstance(error, asyncpg.TargetServerAttributeNotMatched))

    async def _note(self, connection: Any) -> None:
        """Tell of a move where the connection leads elsewhere than the last one did, and that one was in doubt.

        Where it was not, a name may just have several addresses.
        """
        before, self._place = self._place, connection._transport.get_extra_info("peername")  # noqa: SLF001
        doubted, self._in_doubt = self._in_doubt, False
        if doubted and before != self._place:
            for listener in self._listeners:
                await listener()


def _each(url: str) -> list[str]:
    """A URL for each host; what names hosts in any other way than before the path is left to the driver."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return [url]
    user, at, hosts = parts.netloc.rpartition("@")
    return [parts._replace(netloc=f"{user}{at}{host}").geturl() for host in hosts.split(",")] if hosts else [url]
