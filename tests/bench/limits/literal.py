"""The straight reading of the task: unary calls, a `transitions.Machine` per message, sqlite-utils upserts.

The file is as sqlite-utils makes it, with a journal and no WAL. `literal FILE` prints its port.
"""

import asyncio
import sys
from collections import defaultdict
from typing import Final

from sqlite_utils import Database
from transitions import Machine

from msgstate.v1 import event_pb2, event_service_pb2
from msgstate_server.rpc.context import Context
from tests.bench.limits.serving import serve, unary

_STATES: Final = ["new", "queued", "sent", "errored", "suppressed", "delivered", "engaged", "failed"]
_REACHED: Final = {
    "queued": ("accepted", "deferred", "held", "other"),
    "sent": ("sent",),
    "errored": ("errored",),
    "suppressed": ("suppressed",),
    "delivered": ("delivered", "auto_replied", "complained", "unsubscribed"),
    "engaged": ("opened", "read", "clicked", "replied"),
    "failed": ("bounced", "expired"),
}
_TRANSITIONS: Final = [
    {"trigger": trigger, "source": _STATES[: _STATES.index(state)], "dest": state}
    for state, triggers in _REACHED.items()
    for trigger in triggers
]


class Message:
    """One message to one recipient."""

    state: str

    def __init__(self) -> None:
        self.machine = Machine(
            self, _STATES, initial="new", transitions=_TRANSITIONS, auto_transitions=False, ignore_invalid_triggers=True
        )


class Literal:
    """The handler, with its tables."""

    def __init__(self, file: str) -> None:
        self._database = Database(file)
        self._messages: defaultdict[tuple[str, str, str], Message] = defaultdict(Message)

    async def publish(
        self, request: event_service_pb2.PublishEventsRequest, _: Context
    ) -> event_service_pb2.PublishEventsResponse:
        """Keep each event, and its message's new state."""
        response = event_service_pb2.PublishEventsResponse()
        for event in request.events:
            message = self._messages[event.provider, event.message_id, event.recipient]
            kind = event_pb2.EventType.Name(event.type).removeprefix("EVENT_TYPE_").lower()
            before = message.state
            message.trigger(kind)  # type: ignore[attr-defined]
            about = {"provider": event.provider, "message_id": event.message_id, "recipient": event.recipient}
            occurred = event.occurred_time.ToDatetime().isoformat()
            self._database.table("events").upsert(
                about | {"id": event.event_id, "type": kind, "occurred": occurred, "from": before, "to": message.state},
                pk="id",
            )
            self._database.table("messages").upsert(
                about | {"state": message.state, "updated": occurred}, pk=tuple(about)
            )
            response.results.add(disposition=event_service_pb2.DISPOSITION_ACCEPTED)
        return response


def main() -> None:
    """Serve until killed."""
    types = event_service_pb2.PublishEventsRequest, event_service_pb2.PublishEventsResponse
    asyncio.run(serve(("EventService", {"PublishEvents": unary(Literal(sys.argv[1]).publish, *types)})))


if __name__ == "__main__":
    main()
