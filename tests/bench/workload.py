"""What is published, posted and looked up: four events per message, spread over 3,000 messages at a time."""

import json
import random
from base64 import b64encode
from collections.abc import Iterator
from typing import Final

from msgstate.v1 import event_pb2, event_service_pb2
from msgstate.v1 import message_status_service_pb2 as pb
from tests.bench.processes import CREDENTIALS

BATCH: Final = 500
SHARE: Final = 16
CAMPAIGN: Final = "campaign@mail.example.com"
ADDRESS: Final = "busy@example.com"
OTHER_PROVIDER: Final = "acme"
"""What is one in so many of a filled file: see `fill`."""
NEW: Final = 1_200_000_000
"""Events of this number and more are about messages that no filled file has."""
WATCH_BATCH: Final = 200
"""Transitions in a response of a watch that catches up: so many always fit."""
SPREAD: Final = 3_000
"""Messages whose events come mixed: the next event of one comes after one of each of the others."""
_SEED: Final = 7
_TYPES: Final = (
    event_pb2.EVENT_TYPE_ACCEPTED,
    event_pb2.EVENT_TYPE_SENT,
    event_pb2.EVENT_TYPE_DELIVERED,
    event_pb2.EVENT_TYPE_OPENED,
)
_WEBHOOK_TYPES: Final = ("email.accepted", "email.attempted", "email.delivered", "email.loaded")


def named(message: int) -> str:
    """The id of a message by its number."""
    return f"bench-{message:08}@mail.example.com"


def message_id(number: int, spread: int = SPREAD) -> str:
    """The id of the message that event `number` is about."""
    block, within = divmod(number, spread * len(_TYPES))
    return named(block * spread + within % spread)


def event(number: int, spread: int = SPREAD) -> event_pb2.Event:
    """Event `number`, as a provider with event ids and times would report it."""
    about = message_id(number, spread)
    message = event_pb2.Event(
        provider="emailit",
        message_id=about,
        recipient=f"reader-of-{about}",
        type=_TYPES[number // spread % len(_TYPES)],
        provider_type="email.delivery",
        event_id=f"evt_{number:012}",
    )
    message.occurred_time.seconds = 1_760_000_000 + number
    return message


def messages(events: int) -> int:
    """How many messages the first so many events are about."""
    blocks, within = divmod(events, SPREAD * len(_TYPES))
    return blocks * SPREAD + min(within, SPREAD)


def publish_requests(events: int, batch: int = BATCH, spread: int = SPREAD) -> list[bytes]:
    """The whole workload as encoded requests, so that the load costs as little as it can."""
    return [
        event_service_pb2.PublishEventsRequest(events=events_of).SerializeToString()
        for events_of in _batches(0, events, batch, spread)
    ]


def stream_requests(events: int, first: int = 0) -> Iterator[bytes]:
    """The same as messages of one stream, each made when it is asked for."""
    return (
        event_service_pb2.StreamEventsRequest(batch_id=number, events=batch).SerializeToString()
        for number, batch in enumerate(_batches(first, events, BATCH, SPREAD))
    )


def _batches(first: int, events: int, batch: int, spread: int) -> Iterator[list[event_pb2.Event]]:
    end = first + events
    for start in range(first, end, batch):
        yield [event(number, spread) for number in range(start, min(start + batch, end))]


def post(number: int, address: str) -> bytes:
    """The whole HTTP request by which Emailit would report event `number`, alone."""
    about = message_id(number)
    report = {
        "object": "email",
        "id": about,
        "token": f"token-{about}",
        "message_id": f"<{about}>",
        "type": "outgoing",
        "from": "Example Shop <orders@shop.example.com>",
        "to": f"reader-of-{about}",
        "subject": "Your order is on its way",
        "timestamp": 1_760_000_000 + number,
        "smtp_response": "250 2.0.0 OK 1760000000 x1-20020a05600c1c8100b003a",
        "user_agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "meta": {"order": f"{number}", "shop": "example"},
    }
    word = _WEBHOOK_TYPES[number // SPREAD % len(_WEBHOOK_TYPES)]
    body = json.dumps([{"event_id": f"evt_{number:012}", "type": word, "data": {"object": report}}]).encode()
    credentials = b64encode(CREDENTIALS.encode()).decode()
    head = (
        f"POST /webhooks/emailit HTTP/1.1\r\nhost: {address}\r\nauthorization: Basic {credentials}\r\n"
        f"user-agent: Emailit\r\naccept: */*\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def look_ups(count: int, of_messages: int) -> list[str]:
    """Messages at random of so many, the same ones each time."""
    chosen = random.Random(_SEED)  # noqa: S311
    return [named(chosen.randrange(of_messages)) for _ in range(count)]


def gets(count: int, of_messages: int) -> list[bytes]:
    """Look-ups of messages at random."""
    return [
        pb.GetMessageStatusRequest(message_id=wanted).SerializeToString() for wanted in look_ups(count, of_messages)
    ]


def batch_gets(count: int, of_messages: int) -> list[bytes]:
    """The same look-ups, 500 a call."""
    wanted = look_ups(count, of_messages)
    return [
        pb.BatchGetMessageStatusesRequest(
            keys=[pb.MessageKey(message_id=each) for each in wanted[start : start + BATCH]]
        ).SerializeToString()
        for start in range(0, count, BATCH)
    ]
