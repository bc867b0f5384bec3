"""Events to publish, and servers to publish them to."""

from pathlib import Path
from typing import Any

from msgstate import Event, EventType
from tests.acceptance.server_process import ServerProcess, write_config
from tests.ports import free_port

SENT = EventType.EVENT_TYPE_SENT
DELIVERED = EventType.EVENT_TYPE_DELIVERED
OPENED = EventType.EVENT_TYPE_OPENED
ERRORED = EventType.EVENT_TYPE_ERRORED
BOUNCED = EventType.EVENT_TYPE_BOUNCED


def event(message_id: str, kind: EventType.ValueType = SENT, recipient: str = "a@example.com", **fields: Any) -> Event:
    """An event about one recipient."""
    values: dict[str, Any] = {"provider": "acme", "message_id": message_id, "recipient": recipient, "type": kind}
    return Event(**values | fields)


def new_server(folder: Path, name: str = "server", **settings: str) -> ServerProcess:
    """A server that has not been started, on a port that stays its own over restarts."""
    store = folder / f"{name}.db"
    settings = {"grpc": f"127.0.0.1:{free_port()}"} | settings
    return ServerProcess(store, write_config(folder / f"{name}.toml", store, **settings))
