"""What holds on every connection of a server, so that one which is frozen or cut off cannot freeze the others."""

from typing import Final

IDLE_SECONDS: Final = 2
"""How long a transaction may stand still, its server frozen or cut off, before PostgreSQL undoes it: who holds the head
holds up every other writer as long."""

APPLICATION_NAME: Final = "msgstate 5"
"""The name of every session, with the number of the last migration that tolerates no server of an older version."""

SETTINGS: Final = {
    "application_name": APPLICATION_NAME,
    "search_path": "msgstate",
    "default_transaction_isolation": "read committed",
    "idle_in_transaction_session_timeout": f"{IDLE_SECONDS}s",
    # Longer than whoever holds the lock may stand still.
    "lock_timeout": f"{3 * IDLE_SECONDS}s",
    # A server gives up what takes too long by itself; what `check` and `copy` read takes as long as it takes.
    "statement_timeout": "0",
    "standard_conforming_strings": "on",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "8s",
    # Every statement finds its rows in an index. A plan that was made while the tables were small must not be another
    # one, since it is kept while they grow.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
}
"""Settings by name, as PostgreSQL shows them."""
