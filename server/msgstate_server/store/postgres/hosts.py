"""The hosts of a store's URL: of a primary and its standbys the one that takes writes, whichever that is by now."""

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
    """Connects to the host that takes writes; the one that did last is tried first."""

    def __init__(self, url: str) -> None:
        """Take `postgresql://USER@HOST,HOST/DATABASE`, of any number of hosts."""
        self._urls = _each(url)

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
                return connection
        raise min(failures, key=lambda error: not isinstance(error, asyncpg.TargetServerAttributeNotMatched))


def _each(url: str) -> list[str]:
    """A URL for each host; what names hosts in any other way than before the path is left to the driver."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return [url]
    user, at, hosts = parts.netloc.rpartition("@")
    return [parts._replace(netloc=f"{user}{at}{host}").geturl() for host in hosts.split(",")] if hosts else [url]
