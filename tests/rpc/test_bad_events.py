"""Publishing what breaks a rule: each event is refused by itself, and says why."""

from collections.abc import Callable

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from msgstate.v1 import event_pb2, event_service_pb2, status_pb2
from tests.rpc.running import Client
from tests.rpc.samples import DELIVERED, event, large_event

pytestmark = pytest.mark.asyncio(loop_scope="session")

TAKEN = event_service_pb2.DISPOSITION_ACCEPTED
REFUSED = event_service_pb2.DISPOSITION_REFUSED

Change = Callable[[event_pb2.Event], None]


def fields(**values: object) -> Change:
    """Set these fields."""

    def change(changed: event_pb2.Event) -> None:
        for name, value in values.items():
            setattr(changed, name, value)

    return change


def occurred(seconds: int, nanos: int = 0) -> Change:
    """Set the provider's time."""
    return lambda changed: changed.occurred_time.CopyFrom(Timestamp(seconds=seconds, nanos=nanos))


def aliases(*values: str) -> Change:
    """Set the aliases."""
    return lambda changed: changed.aliases.extend(values)


def metadata(pairs: dict[str, str]) -> Change:
    """Set the metadata."""
    return lambda changed: changed.metadata.update(pairs)


BAD: list[tuple[str, Change, str, str]] = [
    ("no provider", fields(provider=""), "provider", "must be 1 to 64 of"),
    ("provider in capitals", fields(provider="Shop"), "provider", "'Shop'"),
    ("provider too long", fields(provider="p" * 65), "provider", "must be 1 to 64 of"),
    ("provider and a line end", fields(provider="shop\n"), "provider", "must be 1 to 64 of"),
    ("no message id", fields(message_id=""), "message_id", "must not be empty"),
    ("brackets alone", fields(message_id="<>"), "message_id", "must not be empty"),
    ("no recipient", fields(recipient=""), "recipient", "must not be empty"),
    ("blank recipient", fields(recipient=" \t "), "recipient", "must not be empty"),
    ("message id too long", fields(message_id="m" * 5_000), "message_id", "at most 998 bytes; found 5000"),
    ("message id one byte too long", fields(message_id="é" * 499 + "m"), "message_id", "found 999"),
    ("recipient too long", fields(recipient="r" * 5_000), "recipient", "found 5000"),
    ("event id too long", fields(event_id="e" * 5_000), "event_id", "found 5000"),
    ("NUL in message id", fields(message_id="m\0"), "message_id", "U+0000"),
    ("NUL in recipient", fields(recipient="r\0"), "recipient", "U+0000"),
    ("NUL in detail", fields(detail="\0"), "detail", "U+0000"),
    ("no type", fields(type=0), "type", "must be set"),
    ("unknown type", fields(type=99), "type", "found 99"),
    ("negative type", fields(type=-1), "type", "found -1"),
    ("unknown reason", fields(reason=77), "reason", "found 77"),
    ("received_time given", lambda changed: changed.received_time.GetCurrentTime(), "received_time", "output only"),
    ("received_time given empty", lambda changed: changed.received_time.SetInParent(), "received_time", "output only"),
    ("time after year 9999", occurred(253_402_300_800), "occurred_time", "years 1 to 9999"),
    ("time before year 1", occurred(-62_135_596_801), "occurred_time", "years 1 to 9999"),
    ("largest time there is", occurred(2**63 - 1), "occurred_time", "years 1 to 9999"),
    ("smallest time there is", occurred(-(2**63)), "occurred_time", "years 1 to 9999"),
    ("negative nanos", occurred(0, -1), "occurred_time", "found 0 seconds and -1 nanos"),
    ("too many nanos", occurred(0, 1_000_000_000), "occurred_time", "1000000000 nanos"),
    ("smtp code too large", fields(smtp_code=1_000), "smtp_code", "must be 0 to 999; found 1000"),
    ("smtp code negative", fields(smtp_code=-1), "smtp_code", "found -1"),
    ("enhanced code too long", fields(enhanced_code="5" * 17), "enhanced_code", "at most 16 bytes"),
    ("detail too long", fields(detail="d" * 2_049), "detail", "at most 2048 bytes"),
    ("url too long", fields(url="u" * 2_049), "url", "at most 2048 bytes"),
    ("user agent too long", fields(user_agent="a" * 1_025), "user_agent", "at most 1024 bytes"),
    ("ip address too long", fields(ip_address="1" * 65), "ip_address", "at most 64 bytes"),
    ("provider's word too long", fields(provider_type="t" * 257), "provider_type", "at most 256 bytes"),
    ("17 aliases", aliases(*(f"a{number}" for number in range(17))), "aliases", "at most 16; found 17"),
    ("empty alias", aliases(""), "aliases[0]", "must not be empty"),
    ("alias too long", aliases("a" * 999), "aliases[0]", "found 999"),
    ("NUL in alias", aliases("a\0"), "aliases[0]", "U+0000"),
    ("33 pairs", metadata({f"k{number}": "v" for number in range(33)}), "metadata", "at most 32 pairs; found 33"),
    ("metadata too large", metadata({"k": "v" * 4_096}), "metadata", "at most 4096 bytes in all; found 4097"),
    ("empty metadata key", metadata({"": "v"}), "metadata", "empty key"),
    ("NUL in metadata", metadata({"k": "\0"}), "metadata", "U+0000"),
    ("larger than 16 KiB", fields(detail="d" * 20_000), "", "an event must be at most 16384 bytes"),
]


@pytest.mark.parametrize(("name", "change", "field", "rule"), BAD, ids=[row[0] for row in BAD])
async def test_a_bad_event_is_refused_and_its_neighbours_stand(
    shared: Client, name: str, change: Change, field: str, rule: str
) -> None:
    """The rule is told at the field's path, and the good events around it are there to be found."""
    before, bad, after = event(f"{name} before", DELIVERED), event(f"{name} bad"), event(f"{name} after", DELIVERED)
    change(bad)

    response = await shared.publish(before, bad, after)

    assert [result.disposition for result in response.results] == [TAKEN, REFUSED, TAKEN]
    found = {violation.field: violation.description for violation in response.results[1].violations}
    assert rule in found["events[1]" + (f".{field}" if field else "")]
    assert response.results[1].position == 0
    assert response.results[2].position == response.results[0].position + 1
    for good in (before, after):
        status = (await shared.status(good.message_id)).status
        assert status.state == status_pb2.STATE_DELIVERED


GOOD: list[tuple[str, Change]] = [
    ("emoji in the ids", fields(message_id="📬-1", recipient="😀@xn--r8jz45g.jp", event_id="🎯")),
    ("ids as long as they may be", fields(message_id="é" * 499, recipient="r" * 998)),
    ("no @ in the recipient", fields(recipient="[email protected]")),
    ("first time there is", occurred(-62_135_596_800)),
    ("last time there is", occurred(253_402_300_799, 999_999_999)),
    ("smtp code 999", fields(smtp_code=999)),
    ("16 aliases", aliases(*(f"alias-{number}" for number in range(16)))),
    ("32 pairs", metadata({f"k{number}": "" for number in range(32)})),
    ("metadata of the limit", metadata({"k": "v" * 4_095})),
    ("spaces and line ends", fields(message_id=" m \r\n", detail="a\r\nb\t\x01")),
    ("quotes and SQL", fields(message_id="'; DROP TABLE event; --", recipient='"a\\"@x')),
    ("nearly 16 KiB", lambda changed: changed.CopyFrom(large_event("large"))),
]


@pytest.mark.parametrize(("name", "change"), GOOD, ids=[row[0] for row in GOOD])
async def test_what_keeps_the_rules_is_taken_and_found(shared: Client, name: str, change: Change) -> None:
    """Whatever is within the limits goes in, and is found by its id, by its recipient and by each alias."""
    good = event(f"good {name}", recipient=f"{name}@example.com")
    change(good)

    response = await shared.publish(good)

    assert [result.disposition for result in response.results] == [TAKEN], response
    status = (await shared.status(good.message_id, recipient=good.recipient)).status
    assert [recipient.recipient for recipient in status.recipients] == [good.recipient]
    for alias in good.aliases:
        assert (await shared.status(alias, recipient=good.recipient)).status.message_id == status.message_id


async def test_every_broken_rule_is_told_at_once(shared: Client) -> None:
    """An event that breaks several rules is told all of them."""
    bad = event_pb2.Event(smtp_code=-1, aliases=[""])
    fields(reason=77)(bad)
    response = await shared.publish(bad)

    assert {violation.field.removeprefix("events[0].") for violation in response.results[0].violations} == {
        "provider",
        "message_id",
        "recipient",
        "type",
        "reason",
        "smtp_code",
        "aliases[0]",
    }


async def test_the_answer_to_a_hostile_batch_can_be_received(shared: Client) -> None:
    """However many rules a batch breaks, its answer stays below what a client takes by default, 4 MiB."""
    hostile = [event_pb2.Event(aliases=[f"\0{number}\0{index}" for number in range(1_000)]) for index in range(100)]

    response = await shared.publish(*hostile)

    assert [result.disposition for result in response.results] == [REFUSED] * 100
    assert all(result.violations for result in response.results)
