from typing import Final

from tests.acceptance.server_process import wait_until
from tests.postgres.server import HOST, START_SECONDS, PostgresServer

PROMOTE_SECONDS: Final = 60
STATE: Final = "SELECT sync_state FROM pg_stat_replication WHERE application_name = $1 AND state = 'streaming'"


class Standby(PostgresServer):
    """A server that follows another one, for reading, until it is promoted; made by `standby_of`."""

    def __init__(self, primary: PostgresServer, **settings: object) -> None:
        kept = primary.settings | {"synchronous_standby_names": ""} | settings
        super().__init__(primary.binaries, place=primary.data.parents[1], **kept)
        self.name = f"standby_{self.port}"
        self._primary = primary

    def promote(self) -> None:
        """Make it a primary, whether or not the one that it followed still runs; return once it takes writes."""
        assert self.query("SELECT pg_promote(true, $1)", PROMOTE_SECONDS)[0][0], self.log()

    def wait_for_replay(self) -> None:
        """Return once it shows all that its primary has written by now."""
        written = self._primary.query("SELECT pg_current_wal_lsn()::text")[0][0]
        shown = "SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn"
        wait_until(lambda: bool(self.query(shown, written)[0][0]), START_SECONDS, f"{self.name} has caught up")

    def _fill(self) -> None:
        address = f"host={HOST} port={self._primary.port} user=postgres"
        slot = ["--create-slot", f"--slot={self.name}"]
        options = ["--checkpoint=fast", "--wal-method=stream", "--no-sync", *slot]
        self._run("pg_basebackup", f"--dbname={address}", f"--pgdata={self.data}", *options)
        (self.data / "standby.signal").touch()
        self._settings |= {
            "primary_conninfo": f"{address} application_name={self.name}",
            "primary_slot_name": self.name,
        }


def standby_of(primary: PostgresServer, *, synchronous: bool = False, **settings: object) -> Standby:
    """A standby that streams, with the primary's settings but for these; use it in a `with` block, or close it.

    A synchronous one holds up the primary's commits from now on until it has them too, also when it has ended: after
    that `primary.configure(synchronous_standby_names="")` lets them go on.
    """
    standby = Standby(primary, **settings)
    standby.start()
    try:
        _await(primary, standby, {"async", "sync", "quorum"})
        if synchronous:
            primary.configure(synchronous_standby_names=_joined(primary, standby))
            _await(primary, standby, {"sync"})
            # Only once the checkpointer has read the setting too do commits wait: at the latest between these two.
            primary.query("CHECKPOINT")
            primary.query("CHECKPOINT")
    except BaseException:
        standby.close()
        raise
    return standby


def _joined(primary: PostgresServer, standby: Standby) -> str:
    """The primary's setting with one more standby, all of which its commits wait for."""
    before = str(primary.settings.get("synchronous_standby_names", ""))
    names = [*filter(None, before.partition("(")[2].rstrip(")").split(", ")), standby.name]
    return f"FIRST {len(names)} ({', '.join(names)})"


def _await(primary: PostgresServer, standby: Standby, states: set[str]) -> None:
    def has_state() -> bool:
        return {row[0] for row in primary.query(STATE, standby.name)} & states != set()

    wait_until(has_state, START_SECONDS, f"{standby.name} is one of {states}")
