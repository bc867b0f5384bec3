"""How every connection to a server is set up."""

import logging
from typing import Final

DEFAULT_ADDRESS: Final = "127.0.0.1:50051"

OPTIONS: Final[tuple[tuple[str, int], ...]] = (
    # A proxy for the web knows nothing of a server beside us.
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_receive_message_length", 8 * 1_048_576),
    # A watch may be silent for a minute, and a peer that is gone does not say so. The server allows a ping every 5 s.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    # Newer releases of gRPC measure the answer to a ping by this one, which is a minute if unset.
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
    # This is how long one attempt to connect may take: an address that swallows packets must not use up the deadline
    # that the other addresses need.
    ("grpc.min_reconnect_backoff_ms", 3_000),
    # A new channel is a new attempt to connect, whatever became of those before.
    ("grpc.use_local_subchannel_pool", 1),
)

log: Final = logging.getLogger("msgstate")
log.addHandler(logging.NullHandler())
