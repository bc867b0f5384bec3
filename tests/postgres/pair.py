from tests.postgres.server import HOST, PostgresServer
from tests.postgres.standby import Standby, standby_of


class Pair:
    """A primary and a synchronous standby that takes over from it, again and again: the next one is made anew.

    Each has one of two places; a new standby gets that of the primary that is gone.
    """

    def __init__(self) -> None:
        self._servers: list[PostgresServer] = [PostgresServer()]
        self._at = 0
        self._logs = ""

    @property
    def primary(self) -> PostgresServer:
        """The one that takes writes."""
        return self._servers[self._at]

    @property
    def standby(self) -> Standby:
        """The other one."""
        standby = self._servers[1 - self._at]
        assert isinstance(standby, Standby)
        return standby

    @property
    def addresses(self) -> list[str]:
        """Of both, by place."""
        return [f"{HOST}:{server.port}" for server in self._servers]

    def start(self) -> None:
        """Return once commits wait for the standby."""
        self.primary.start()
        self._servers.append(self._follower())

    def restart(self) -> None:
        """End the primary with nothing saved, and start it again."""
        self.primary.stop("immediate")
        self.primary.start()

    def fail_over(self) -> None:
        """Have the standby take over, whatever became of it too; the primary that it followed must have ended."""
        assert not self.primary.is_running, "the primary runs"
        if not self.standby.is_running:
            self.standby.start()
        self.standby.promote()
        self._at = 1 - self._at

    def renew_standby(self) -> None:
        """Make a standby of the new primary, in place of the old one; return once commits wait for it."""
        gone = self._servers[1 - self._at]
        self._logs += gone.log()
        gone.close()
        self._servers[1 - self._at] = self._follower()

    def log(self) -> str:
        """What all of them wrote."""
        return self._logs + "".join(server.log() for server in self._servers)

    def close(self) -> None:
        """End them, and remove all that they left."""
        for server in self._servers:
            server.close()

    def _follower(self) -> Standby:
        # A primary that was started anew waits for its standby, which by itself comes back within 5 seconds.
        return standby_of(self.primary, synchronous=True, wal_retrieve_retry_interval="100ms")
