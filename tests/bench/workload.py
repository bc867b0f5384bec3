"""The events that are published: four per message, spread over 3,000 messages at a time; and what is looked up."""

import random
from collections.abc import Iterator

from msgstate.v1 import event_pb2, event_service_pb2

BATCH = 500
_SPREAD = 3_000
_SEED = 7
_TYPES = (
    event_pb2.EVENT_TYPE_ACCEPTED,
    event_pb2.EVENT_TYPE_SENT,
    event_pb2.EVENT_TYPE_DELIVERED,
    event_pb2.EVENT_TYPE_OPENED,
)


def message_id(number: int) -> str:
    """The id of the message that event `number` is about."""
    block, within = divmod(number, _SPREAD * len(_TYPES))
    return f"bench-{block * _SPREAD + within % _SPREAD:08}@mail.example.com"


def event(number: int) -> event_pb2.Event:
    """Event `number`, as a provider with event ids and times would report it."""
    about = message_id(number)
    message = event_pb2.Event(
        provider="emailit",
        message_id=about,
        recipient=f"reader-of-{about}",
        type=_TYPES[number // _SPREAD % len(_TYPES)],
        provider_type="email.delivery",
        event_id=f"evt_{number:012}",
    )
    message.occurred_time.seconds = 1_760_000_000 + number
    return message


def look_ups(count: int, events: int) -> list[str]:
    """Messages of the first so many events, at random, the same ones each time."""
    chosen = random.Random(_SEED)  # noqa: S311
    return [message_id(chosen.randrange(events)) for _ in range(count)]


def publish_requests(events: int) -> list[bytes]:
    """The whole workload as encoded requests of 500 events, so that the load costs as little as it can."""
    return [event_service_pb2.PublishEventsRequest(events=batch).SerializeToString() for batch in _batches(events)]


def stream_requests(events: int) -> list[bytes]:
    """The same as messages of one stream."""
    return [
        event_service_pb2.StreamEventsRequest(batch_id=number, events=batch).SerializeToString()
        for number, batch in enumerate(_batches(events))
    ]


def _batches(events: int) -> Iterator[list[event_pb2.Event]]:
    for start in range(0, events, BATCH):
        yield [event(number) for number in range(start, start + BATCH)]
