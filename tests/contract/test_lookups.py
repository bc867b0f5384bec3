"""Finding messages and recipients: by exact id, by alias, by first appearance, within limits."""

import pytest

from msgstate_server.domain.events import EventType
from msgstate_server.domain.states import Evidence
from msgstate_server.store.protocol import MessageKey, Store
from tests.builders import append, event


async def test_nothing_is_found_in_an_empty_store(store: Store) -> None:
    """What nobody reported on is not there."""
    assert await store.read_recipients("m", "", "", 10) == []
    assert await store.find_messages("m", "", 10) == []
    assert await store.find_by_alias("m", "", 10) == []
    assert await store.count_recipients(MessageKey("acme", "m")) == {}


@pytest.mark.parametrize("batch", [1, 70, 1_500])
async def test_recipients_of_a_campaign_come_by_first_appearance(store: Store, batch: int) -> None:
    """1,500 recipients come in the order in which they were first seen, whatever happened to them since."""
    addresses = [f"{number * 7919 % 1_500}@example.com" for number in range(1_500)]
    if batch == 1:
        addresses = addresses[:60]
    for start in range(0, len(addresses), batch):
        await append(store, *(event(recipient=address) for address in addresses[start : start + batch]))
    await append(store, *(event(EventType.READ, recipient=address) for address in reversed(addresses[:200])))
    for limit in (1, 2, 59, 60, 1_001, 1_499, 1_500, 1_501):
        found = await store.read_recipients("m", "", "", limit)
        assert [status.recipient for status in found] == addresses[:limit], limit


@pytest.mark.parametrize(
    ("provider", "recipient", "expected"),
    [
        ("", "", ["acme a", "other a", "acme b"]),
        ("acme", "", ["acme a", "acme b"]),
        ("", "a", ["acme a", "other a"]),
        ("other", "a", ["other a"]),
        ("other", "b", []),
        ("nobody", "", []),
    ],
)
async def test_recipients_by_provider_and_address(
    store: Store, provider: str, recipient: str, expected: list[str]
) -> None:
    """An empty provider or recipient means any; one that is given must match exactly."""
    await append(store, event(recipient="a"), event(recipient="a", provider="other"), event(recipient="b"))
    await append(store, event(message_id="n", recipient="a"))
    found = await store.read_recipients("m", provider, recipient, 10)
    assert [f"{status.provider} {status.recipient}" for status in found] == expected


@pytest.mark.parametrize("message_id", ["M", "m ", "", "%", "m_", "<m>"])
async def test_ids_match_exactly(store: Store, message_id: str) -> None:
    """Neither case nor blanks nor wildcards are bent."""
    await append(store, event(message_id="m", aliases=["m"]))
    assert await store.read_recipients(message_id, "", "", 10) == []
    assert await store.find_messages(message_id, "", 10) == []
    assert await store.find_by_alias(message_id, "", 10) == []


async def test_find_messages(store: Store) -> None:
    """One message per provider, however many recipients it has, by provider, within the limit."""
    providers = ["c", "a", "b"]
    for recipient in ("1", "2"):
        await append(store, *(event(provider=provider, recipient=recipient) for provider in providers))
    assert await store.find_messages("m", "", 10) == [MessageKey(provider, "m") for provider in "abc"]
    assert await store.find_messages("m", "", 2) == [MessageKey("a", "m"), MessageKey("b", "m")]
    assert await store.find_messages("m", "c", 10) == [MessageKey("c", "m")]


async def test_find_by_alias(store: Store) -> None:
    """An alias points at every message that has it, each once, by provider and id, within the limit."""
    for number in (3, 1, 2):
        await append(store, event(message_id=f"m{number}", recipient="a", aliases=["x", f"own{number}"]))
        await append(store, event(message_id=f"m{number}", recipient="b", aliases=["x"]))
    await append(store, event(message_id="m9", provider="aaaa", aliases=["x"]))
    expected = [MessageKey("aaaa", "m9"), *(MessageKey("acme", f"m{number}") for number in (1, 2, 3))]
    assert await store.find_by_alias("x", "", 10) == expected
    assert await store.find_by_alias("x", "", 2) == expected[:2]
    assert await store.find_by_alias("x", "acme", 10) == expected[1:]
    assert await store.find_by_alias("own2", "", 10) == [MessageKey("acme", "m2")]
    assert await store.find_by_alias("X", "", 10) == []


async def test_alias_that_is_another_messages_id(store: Store) -> None:
    """Ids and aliases are looked up apart: a name that is both is found as both."""
    await append(store, event(message_id="m1"), event(message_id="m2", aliases=["m1"]))
    assert await store.find_messages("m1", "", 10) == [MessageKey("acme", "m1")]
    assert await store.find_by_alias("m1", "", 10) == [MessageKey("acme", "m2")]
    assert await store.find_by_alias("m2", "", 10) == []


async def test_aliases_gather_over_events(store: Store) -> None:
    """A recipient is found by the aliases of all its events, and by those of a duplicate never."""
    await append(store, event(event_id="1", aliases=["b", "a"]))
    await append(store, event(EventType.OPENED, event_id="2", aliases=["c", "a"]))
    await append(store, event(event_id="1", aliases=["z"]))
    (status,) = await store.read_recipients("m", "", "", 10)
    assert status.aliases == ["a", "b", "c"]
    assert [len(await store.find_by_alias(alias, "", 10)) for alias in "abcz"] == [1, 1, 1, 0]


async def test_count_recipients(store: Store) -> None:
    """Every recipient of one message counts under its evidence, those of other messages not."""
    types = [EventType.SENT, EventType.SENT, EventType.BOUNCED, EventType.ERRORED, EventType.READ]
    await append(store, *(event(kind, recipient=str(number)) for number, kind in enumerate(types)))
    await append(store, event(provider="other"), event(message_id="n"))
    assert await store.count_recipients(MessageKey("acme", "m")) == {
        Evidence.SENT: 2,
        Evidence.FAILED: 1,
        Evidence.ERRORED: 1,
        Evidence.ENGAGED: 1,
    }
