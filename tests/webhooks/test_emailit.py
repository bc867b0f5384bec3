"""Emailit's two versions of webhooks beside each other; each has tests of its own."""

import json

from msgstate_server.domain.events import EventType
from msgstate_server.webhooks.providers import PROVIDERS
from tests.webhooks.provider_samples import ProviderSamples
from tests.webhooks.samples import NOW, emailit_v1, emailit_v2

SAMPLES = ProviderSamples(
    delivery=json.dumps([emailit_v2("email.delivered")]).encode(),
    parts=[
        emailit_v1("email.delivery.held", {"subject": "Hello"}, details="550 5.1.1 no", timestamp=1.5),
        emailit_v1("email.link.clicked", link={"id": 1, "url": ""}, user_agent="", ip_address=""),
        emailit_v1("email.loaded", {"type": "incoming"}),
        emailit_v2("email.accepted", to=["a@example.com", "b@example.com"], meta={"a": "b"}, created_at="2026-02-11"),
        emailit_v2(
            "email.clicked", email_id="em_1", email={"id": "em_1", "rcpt_to": "a@example.com"}, link={"url": ""}
        ),
        emailit_v2("email.received"),
    ],
    body=lambda parts: json.dumps(parts).encode(),
)


def test_parts_of_both_versions_are_told_apart() -> None:
    """A body may hold both: `sent` of the first version is a delivery, and each has its own message id."""
    body = SAMPLES.body([emailit_v1("email.delivery.sent"), emailit_v2("email.bounced")])

    reading = PROVIDERS["emailit"].read(body, NOW)

    assert (reading.problems, reading.ignored) == ([], 0)
    assert [event.type for _, event in reading.events] == [EventType.DELIVERED, EventType.BOUNCED]
    assert [event.message_id for _, event in reading.events] == ["<1@example.com>", "em_1"]
