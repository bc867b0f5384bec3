"""The events of one message over a real channel."""

import pytest

from msgstate.v1 import event_pb2, log_pb2
from tests.rpc.lists import history, history_error, history_page
from tests.rpc.running import Client
from tests.rpc.samples import ACCEPTED, BOUNCED, DELIVERED, OPENED, SENT, event, large_event, told

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_every_event_with_what_it_did(shared: Client) -> None:
    """Entries are in log order, with effect, states and version, and the event as it was published."""
    story = [
        event("life", step, at=1_700_000_000 + number) for number, step in enumerate((SENT, ACCEPTED, OPENED, OPENED))
    ]
    story[2].metadata["campaign"] = "spring"
    published = await shared.publish(*story, event("another"))
    found = await history(shared, "life")

    assert [entry.position for entry in found] == [result.position for result in published.results[:4]]
    assert [log_pb2.Effect.Name(entry.effect) for entry in found] == [
        "EFFECT_MOVED", "EFFECT_WEAKER", "EFFECT_MOVED", "EFFECT_CONFIRMED"
    ]  # fmt: skip
    assert [(entry.from_state, entry.to_state, entry.version) for entry in found] == [
        (0, 2, 1), (2, 2, 1), (2, 4, 2), (4, 4, 2)
    ]  # fmt: skip
    for entry, given in zip(found, story, strict=True):
        assert entry.event.HasField("received_time")
        entry.event.ClearField("received_time")
        assert entry.event == given
    assert all(entry.commit_time.ToMicroseconds() for entry in found)


async def test_an_event_comes_back_as_it_was_published(shared: Client) -> None:
    """Every field is what it was, and a time is told from none even where it is that of 1970."""
    whole = event("fields", BOUNCED, at=0, detail="why")
    whole.provider_type, whole.event_id, whole.url = "hard_bounce", "e1", "https://example.com/"
    whole.reason, whole.smtp_code, whole.enhanced_code = event_pb2.REASON_INVALID_ADDRESS, 550, "5.1.1"
    whole.user_agent, whole.ip_address, whole.automated = "agent", "::1", True
    whole.aliases.extend(["a", "b"])
    whole.metadata.update({"campaign": "spring", "empty": ""})
    whole.message_ref = "order-7"
    # The other two are output only.
    assert len(whole.ListFields()) == len(event_pb2.Event.DESCRIPTOR.fields) - 2
    bare = event("fields", OPENED)
    await shared.publish(whole, bare)
    found = [entry.event for entry in await history(shared, "fields")]

    for each in found:
        assert each.HasField("received_time")
        each.ClearField("received_time")
    assert found == [whole, bare]
    assert [each.HasField("occurred_time") for each in found] == [True, False]


@pytest.mark.parametrize("size", [-1, 0, 1, 3, 1_000_000])
async def test_pages_of_any_size_give_all(shared: Client, size: int) -> None:
    """Every event comes once, in order, in pages as large as was asked for."""
    await shared.publish(*(event("pages", OPENED, detail=str(number)) for number in range(7)))
    found = await history(shared, "pages", size)

    assert [entry.event.detail for entry in found] == [str(number) for number in range(7)]
    first = await history_page(shared, "pages", size=size)
    assert len(first.entries) == {-1: 1, 1: 1, 3: 3}.get(size, 7)


async def test_found_as_a_status_is(shared: Client) -> None:
    """By id, alias and brackets, of one provider, of one recipient in any spelling."""
    first = event("named", DELIVERED, recipient="a@x")
    first.aliases.append("named-alias")
    await shared.publish(
        first, event("named", SENT, recipient="b@x"), event("named-two", provider="p"), event("named-two")
    )

    for asked in ("named", "<named>", "named-alias", "<named-alias>"):
        assert [entry.event.recipient for entry in await history(shared, asked)] == ["a@x", "b@x"]
    assert [entry.event.recipient for entry in await history(shared, "named", recipient="Bea <B@X>")] == ["b@x"]
    assert [entry.event.provider for entry in await history(shared, "named-two", provider="p")] == ["p"]


async def test_events_that_arrive_meanwhile_come_last(shared: Client) -> None:
    """A history grows at its end, so pages neither repeat nor leave out."""
    await shared.publish(*(event("grows", OPENED, detail=str(number)) for number in range(10)))
    found, token = [], ""
    for more in range(10, 20):
        response = await history_page(shared, "grows", token, 3)
        found += [entry.event.detail for entry in response.entries]
        token = response.next_page_token
        if not token:
            break
        await shared.publish(event("grows", OPENED, detail=str(more)))

    assert found == [str(number) for number in range(len(found))]
    assert len(found) > 10


async def test_pages_are_at_most_a_mebibyte(shared: Client) -> None:
    """Events of 16 KiB are cut to what fits, and together they are the history."""
    for batch in range(3):
        events = [large_event("heavy", OPENED) for _ in range(60)]
        for number, each in enumerate(events):
            each.event_id = f"{batch}-{number}"
        await shared.publish(*events)
    first = await history_page(shared, "heavy", size=1_000)

    assert 900_000 < first.ByteSize() <= 1_048_576
    found = await history(shared, "heavy", 1_000)
    assert [entry.event.event_id for entry in found] == [f"{number // 60}-{number % 60}" for number in range(180)]


@pytest.mark.parametrize(
    ("message_id", "wanted", "expected"),
    [
        ("errors-none", {}, ("NOT_FOUND", "MESSAGE_NOT_FOUND", [])),
        ("errors", {"provider": "none"}, ("NOT_FOUND", "MESSAGE_NOT_FOUND", [])),
        ("errors", {"recipient": "nobody@x"}, ("NOT_FOUND", "MESSAGE_NOT_FOUND", [])),
        ("errors-two", {}, ("FAILED_PRECONDITION", "MESSAGE_AMBIGUOUS", [])),
        ("", {}, ("INVALID_ARGUMENT", "INVALID_REQUEST", ["message_id"])),
        ("m", {"recipient": " "}, ("INVALID_ARGUMENT", "INVALID_REQUEST", ["recipient"])),
        ("m\0", {"provider": "p" * 999}, ("INVALID_ARGUMENT", "INVALID_REQUEST", ["message_id", "provider"])),
    ],
)
async def test_errors_are_those_of_a_status(
    shared: Client, message_id: str, wanted: dict[str, str], expected: tuple[str, str, list[str]]
) -> None:
    """What names no message, several, or none that can be is answered as the single call answers it."""
    await shared.publish(event("errors"), event("errors-two"), event("errors-two", provider="other"))
    error = told(await history_error(shared, message_id, **wanted))

    assert (error.code.name, error.reason, error.fields) == expected
