"""How every connection is set up."""

import json
import logging
from typing import Final

from msgstate._addresses import Target

DEFAULT_ADDRESS: Final = "127.0.0.1:50051"

_OPTIONS: Final[tuple[tuple[str, str | int], ...]] = (
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
_SPREAD: Final[tuple[tuple[str, str | int], ...]] = (
    # In turn to every server that is connected and says that it serves. One that drains says so before it refuses, and
    # one that knows nothing of health counts as well.
    (
        "grpc.service_config",
        json.dumps(
            {
                "loadBalancingConfig": [{"round_robin": {}}],
                "healthCheckConfig": {"serviceName": "msgstate.v1.MessageStatusService"},
            }
        ),
    ),
    # A server that comes back is wanted soon, and two minutes is what gRPC would grow to.
    ("grpc.max_reconnect_backoff_ms", 5_000),
)

log: Final = logging.getLogger("msgstate")
log.addHandler(logging.NullHandler())


def options(target: Target) -> tuple[tuple[str, str | int], ...]:
    """What the channel to this target is opened with."""
    authority = (("grpc.default_authority", target.authority),) if target.authority else ()
    return (*_OPTIONS, *authority, *(_SPREAD if target.servers > 1 else ()))
